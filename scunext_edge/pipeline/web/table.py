"""The record as Markdown: what was to be kept first, then every row, every file, every doubt."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scunext_edge.report.numbers import milliseconds, ratio, size

Row = Mapping[str, Any]


def to_markdown(record: Mapping[str, Any]) -> str:
    """All tables, with the machine above and the doubts below."""
    parts = [
        ["# The page in a browser", "", _head(record)],
        ["## What the page set out to keep", "", *_checks(record["checks"])],
        ["## Engines in one page", "", engine_table(record["rows"])],
        ["## From a photo to its outline", "", _photo(record["photo"])],
        ["## What is shipped", "", *_sizes(record["sizes"])],
        ["## Doubts", "", *([f"- {it}" for it in record["doubts"]] or ["No doubts."])],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def engine_table(rows: Sequence[Row]) -> str:
    """Every engine beside onnxruntime-web in the same precision."""
    titles = ("network", "precision", "engine", "median, ms", "least, ms", "load, ms")
    more = ("times as fast", "to load", "gzip", "same pixels")
    return "\n".join(_table((*titles, *more), [_line(row, rows) for row in rows]))


def _line(row: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    peer = next(
        it
        for it in rows
        if it["engine"] == "onnxruntime-web"
        and all(it[name] == row[name] for name in ("model", "precision"))
    )
    return (
        f"`{row['model']}`",
        row["precision"].upper(),
        " ".join(filter(None, (row["engine"], row["wasm"]))),
        milliseconds(row["median_ms"]),
        milliseconds(min(it for raw in row["raw_ms"] for it in raw)),
        milliseconds(statistics.median(row["load_ms"])),
        "" if row is peer else ratio(peer["median_ms"] / row["median_ms"]),
        size(row["bytes"]),
        size(row["gzip_bytes"]),
        f"{row['same_pixels']:.2%}",
    )


def _head(record: Mapping[str, Any]) -> str:
    machine, settings = record["environment"], record["settings"]
    engines = ", ".join(f"{name} {version}" for name, version in machine["engines"].items())
    return (
        f"{machine['cpu_model']}, {machine['cores_logical']} logical cores; {machine['chromium']}; "
        f"{engines}. One thread, {settings['side']} x {settings['side']} pixels, from RGB bytes to "
        f"a mask. {settings['processes']} browsers one after another; in each all engines are open "
        f"in one page and take turns, in {settings['rounds']} rounds of {settings['runs']} runs in "
        f"an order drawn anew (seed {settings['seed']}). Times as fast: the median of "
        "onnxruntime-web in the same precision, divided. Same pixels: as its FP32. Load: from the "
        "files to the first mask, on the same machine; the first row of an engine in a page bears "
        "what the others find compiled."
    )


def _checks(checks: Sequence[Row]) -> list[str]:
    return _table(
        ("what", "value", "at most", "met"),
        [
            (
                row["name"],
                f"{row['value']:,.4g}" if row["value"] < 1000 else f"{row['value']:,}",
                f"{row['at_most']:,g}" if row["at_most"] < 1000 else f"{row['at_most']:,}",
                "yes" if row["met"] else "no",
            )
            for row in checks
        ],
    )


def _photo(photo: Row) -> str:
    values = [it for raw in photo["raw_ms"] for it in raw]
    median = {name: statistics.median(it[name] for it in values) for name in values[0]}
    parts = ", ".join(f"{name} {milliseconds(median[name])}" for name in median if name != "total")
    return (
        f"In the page's own worker, a PNG of 256 x 256 pixels with `{photo['model']}` INT8 "
        f"({photo['wasm']}): median {milliseconds(median['total'])} ms over {len(values)} times, "
        f"of it {parts} ms; the rest is cutting and following the outline."
    )


def _sizes(sizes: Row) -> list[str]:
    rows = [(f"`{it['name']}`", it["bytes"], it["gzip_bytes"]) for it in sizes["files"]]
    totals = [
        ("**the folder**", sizes["folder_bytes"], sizes["folder_gzip_bytes"]),
        ("**as one file**", sizes["single_file_bytes"], sizes["single_file_gzip_bytes"]),
    ]
    lines = [(name, f"{one:,}", f"{packed:,}") for name, one, packed in (*rows, *totals)]
    return _table(("file", "bytes", "gzip -9"), lines)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (titles, ["---"] * len(titles), *rows)]
