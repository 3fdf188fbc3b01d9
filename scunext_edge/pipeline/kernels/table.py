"""The record as Markdown: targets first, then every row, then every operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scunext_edge.report.numbers import milliseconds

Row = Mapping[str, Any]
_SHOWN_SIZE = 256  # operations at other sizes are in the record


def to_markdown(record: Mapping[str, Any]) -> str:
    """All tables, with the machine above and the doubts below."""
    parts = [
        ["# The native engine beside others", "", _head(record)],
        ["## Ratios", "", *_ratios(record["ratios"])],
        ["## Other targets", "", *_checks(record["checks"])],
        ["## Rows", "", *_rows(record["rows"])],
        ["## What a deployment needs", "", *_footprints(record["footprints"])],
        *([f"## Operations: {_title(it)}", "", *_stage(it)] for it in _shown(record["stages"])),
        ["## Not measured", "", *_missing(record["missing"])],
        ["## Slower than in the record before", "", *_slower(record["slower"])],
        ["## Doubts", "", *_list(record["doubts"], "No doubts.")],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def ratio_table(ratios: Sequence[Row]) -> str:
    """The ratios alone."""
    return "\n".join(_ratios(ratios))


def _head(record: Mapping[str, Any]) -> str:
    machine, settings = record["environment"], record["settings"]
    engines = ", ".join(f"{name} {version}" for name, version in machine["engines"].items())
    isa = machine["native_isa"] or "not built"
    return (
        f"{machine['cpu_model']}, {machine['cores_logical']} logical cores; {engines}. "
        f"Native: {isa}{' (forced)' if machine['native_isa_forced'] else ''}. "
        f"{settings['rounds']} rounds over engines that are all open, in an order drawn anew in "
        f"each (seed {settings['seed']}); every process is held to as many CPUs as it has "
        "threads. Native is timed from the uint8 image to the score, the others on the network "
        "alone, with the image in place. Ratios are of minima."
    )


def _ratios(ratios: Sequence[Row]) -> list[str]:
    titles = ("network", "size", "threads", "native", "against", "times as fast", "of medians")
    return _table(
        (*titles, "target", "met"),
        [
            (
                f"`{row['model']}`",
                row["size"],
                row["threads"],
                row["precision"],
                _named(row["engine"], row["other_precision"], row["variant"]),
                _times(row["ratio"]),
                _times(row["ratio_of_medians"]),
                f"{row['target']:g} ({row['isa']})" if row["target"] else "",
                _answer(row),
            )
            for row in ratios
        ],
    )


def _answer(row: Row) -> str:
    if row["met"] is not None:
        return "yes" if row["met"] else "no"
    return row["remark"] or ""


def _checks(checks: Sequence[Row]) -> list[str]:
    return _table(
        ("network", "size", "precision", "what", "value", "target", "met"),
        [
            (
                f"`{row['model']}`",
                row["size"],
                row["precision"],
                row["name"],
                "" if row["value"] is None else f"{row['value']:,.4g}",
                _wanted(row),
                {True: "yes", False: "no", None: "not measured"}[row["met"]],
            )
            for row in checks
        ],
    )


def _wanted(row: Row) -> str:
    least = "" if row["at_least"] is None else f"at least {row['at_least']:g}"
    most = "" if row["at_most"] is None else f"at most {row['at_most']:,g}"
    return least or most


def _rows(rows: Sequence[Row]) -> list[str]:
    titles = ("network", "size", "threads", "engine", "ran", "min, ms", "median, ms", "values")
    return _table(
        (*titles, "cores", "same pixels", "includes"),
        [
            (
                f"`{row['model']}`",
                row["size"],
                row["threads"],
                _named(row["engine"], row["precision"], row["variant"]),
                row["ran"] or "not known",
                milliseconds(row["ms_min"]),
                milliseconds(row["ms_median"]),
                row["rounds"] * row["runs_per_round"],
                f"{row['cores_used']:.1f}",
                "" if row["same_pixels"] is None else f"{row['same_pixels']:.2%}",
                row["includes"],
            )
            for row in rows
        ],
    )


def _footprints(rows: Sequence[Row]) -> list[str]:
    titles = ("network", "size", "precision", "library", "model", "arena", "peak memory")
    return _table(
        (*titles, "load to first mask, ms", "remark"),
        [
            (
                f"`{row['model']}`",
                row["size"],
                row["precision"],
                *(
                    _kilobytes(row[name])
                    for name in ("library_bytes", "model_bytes", "arena_bytes", "peak_rss_bytes")
                ),
                _milliseconds(row["load_to_first_mask_ms"]),
                row["remark"] or "",
            )
            for row in rows
        ],
    )


def _shown(stages: Sequence[Row]) -> Iterator[Row]:
    sizes = {table["size"] for table in stages}
    size = _SHOWN_SIZE if _SHOWN_SIZE in sizes else min(sizes, default=0)
    return (table for table in stages if table["size"] == size)


def _title(table: Row) -> str:
    where = f"`{table['model']}`, {table['size']}, {table['precision']}"
    return f"{where}, {table['isa']}"


def _stage(table: Row) -> list[str]:
    peaks = table["peaks_macs_per_s"]
    head = (
        f"One thread. One core does {peaks['f32'] / 1e9:.1f} G multiply-accumulates a second in "
        f"f32, {peaks['int8'] / 1e9:.1f} G in int8, and copies "
        f"{table['copy_bytes_per_s'] / 1e9:.0f} GB/s between buffers that together are as large "
        f"as the arena. The operations' minima sum to {milliseconds(table['ms_min'])} ms, the "
        f"limit of their arithmetic to {milliseconds(table['limit_ms'])} ms."
    )
    titles = ("", "operation", "ms", "of all", "MMAC", "of peak", "of copy", "bound by")
    rows = [
        (
            index,
            row["name"],
            milliseconds(row["ms_min"]),
            f"{row['ms_min'] / table['ms_min']:.1%}",
            f"{row['macs'] / 1e6:.2f}" if row["macs"] else "",
            "" if row["peak_share"] is None else f"{row['peak_share']:.0%}",
            f"{row['copy_share']:.0%}",
            row["bound"],
        )
        for index, row in enumerate(table["operations"])
    ]
    return [head, "", *_table(titles, rows)]


def _missing(rows: Sequence[Row]) -> list[str]:
    said = dict.fromkeys(
        f"{_named(row['engine'], row['precision'], row['variant'])}: {row['reason']}"
        for row in rows
    )
    return _list(list(said), "Everything was measured.")


def _slower(rows: Sequence[Row]) -> list[str]:
    said = [
        f"`{row['model']}` {row['size']} {row['precision']} ({row['isa']}), operation "
        f"{row['index']}, {row['name']}: {milliseconds(row['ms_was'])} ms, now "
        f"{milliseconds(row['ms_min'])} ms"
        for row in rows
    ]
    return _list(said, "Nothing, as far as a record of this processor tells.")


def _named(engine: str, precision: str, variant: str | None) -> str:
    return f"{engine} {precision}" + (f" ({variant})" if variant else "")


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _kilobytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e3:,.0f} KB"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else milliseconds(value)


def _list(lines: Sequence[str], otherwise: str) -> list[str]:
    return [f"- {line}" for line in lines] or [otherwise]


def _table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(str(it).replace('|', '/') for it in line)} |" for line in lines]
