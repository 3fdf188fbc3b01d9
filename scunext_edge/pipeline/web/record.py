"""Measure in Chromium, and put all of it into one record."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.benchmarks.passport import conditions, machine
from scunext_edge.pipeline.web.browser import Browser, Page, open_browser
from scunext_edge.pipeline.web.files import (
    PAGE_MODEL,
    SIDE,
    bytes_of,
    ort_version,
    prepare,
    sizes_of,
)
from scunext_edge.pipeline.web.server import served
from scunext_edge.pipeline.web.settings import CONTENDERS, Settings
from scunext_edge.progress import Advance
from scunext_edge.provenance import tool
from scunext_edge.web.build import MODULES

# 1: first form
SCHEMA = 1
KIND = "web"
MOST_BYTES, MOST_MS = 1_000_000, 30.0  # what the page set out to keep
_FOREIGN_CORES = 0.2  # other processes may use this many cores unmentioned
_SPREAD = 0.1  # between the medians of processes

Measured = dict[str, Any]


def measure(
    settings: Settings, ort: Path, *, advance: Advance = lambda what, done, of: None
) -> Measured:
    """Everything. ``ort`` is the folder of the npm package onnxruntime-web."""
    version = ort_version(ort)
    foreign, before = _foreign_cores(), conditions()
    photo: list[list[Mapping[str, float]]] = []
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as name:
        folder = Path(name)
        release = prepare(folder, settings, ort)
        rows = _rows(folder, settings, version)
        for process in range(settings.processes):
            with served(folder) as url, open_browser() as browser:
                chromium = browser.call("Browser.getVersion")["product"]
                _take_turns(browser, url, rows, settings, process, advance)
                photo.append(_photo(browser, url, release, settings.rounds * settings.runs))
        sizes = sizes_of(folder)
    for row in rows:
        row["median_ms"] = statistics.median(it for raw in row["raw_ms"] for it in raw)
    record: Measured = {
        "schema": SCHEMA,
        "kind": KIND,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "tool": tool(),
        "environment": {
            **machine(),
            "chromium": chromium,
            "engines": {row["engine"]: row["version"] for row in rows},
            "conditions": {"before": before, "after": conditions()},
            "foreign_cores": foreign,
        },
        "settings": {**asdict(settings), "side": SIDE},
        "sizes": sizes,
        "photo": {"model": PAGE_MODEL, "wasm": "wasm_relaxed", "raw_ms": photo},
        "rows": rows,
    }
    return {**record, "checks": list(checks(record)), "doubts": list(doubts(record))}


def checks(record: Mapping[str, Any]) -> Iterator[Measured]:
    """What the page set out to keep, and whether it does."""
    sizes = record["sizes"]
    yield _check("all files of the page, bytes", sizes["folder_bytes"], MOST_BYTES)
    yield _check("the page as one file, bytes", sizes["single_file_bytes"], MOST_BYTES)
    photo = [it["total"] for raw in record["photo"]["raw_ms"] for it in raw]
    for name, value in (
        ("mask from pixels in memory, ms", _page_row(record)["median_ms"]),
        ("outline from the bytes of a photo of 256 x 256, ms", statistics.median(photo)),
    ):
        yield _check(name, value, MOST_MS)


def doubts(record: Mapping[str, Any]) -> Iterator[str]:
    """Reasons not to believe the numbers, in words."""
    foreign = record["environment"]["foreign_cores"]
    if foreign is not None and foreign > _FOREIGN_CORES:
        yield f"other processes kept {foreign:.1f} cores busy when the measurement began"
    if record["settings"]["processes"] < 2:
        yield "one process: nothing is known about others"
    for row in record["rows"]:
        medians = [statistics.median(raw) for raw in row["raw_ms"]]
        if max(medians) > (1 + _SPREAD) * min(medians):
            named = " ".join(filter(None, (row["engine"], row["precision"], row["wasm"])))
            yield (
                f"{row['model']}, {named}: the medians of the processes lie between "
                f"{min(medians):.2f} and {max(medians):.2f} ms"
            )


def _rows(folder: Path, settings: Settings, peer_version: str) -> list[Measured]:
    """A row for every network and contender, with nothing measured yet."""
    own = str(tool()["version"])
    return [
        {
            "model": model,
            "engine": it.engine,
            "version": own if it.engine == "native" else peer_version,
            "precision": it.precision,
            "wasm": it.wasm,
            **bytes_of(folder, model, it),
            "load_ms": [],
            "raw_ms": [],
        }
        for model in settings.models
        for it in CONTENDERS
    ]


def _take_turns(
    browser: Browser,
    url: str,
    rows: Sequence[Measured],
    settings: Settings,
    process: int,
    advance: Advance,
) -> None:
    """Open all engines in one page, and let them take turns; fills ``rows``."""
    page, done = _bench_page(browser, url), count(1)
    masks = [_open(page, number, row) for number, row in enumerate(rows)]
    exact = ("onnxruntime-web", "fp32")
    reference = {
        row["model"]: mask
        for row, mask in zip(rows, masks, strict=True)
        if (row["engine"], row["precision"]) == exact
    }
    for row, mask in zip(rows, masks, strict=True):
        row["same_pixels"] = float((mask == reference[row["model"]]).mean())
        row["raw_ms"].append([])
    order = random.Random(settings.seed + process)
    total = settings.rounds * len(rows)
    for _ in range(settings.rounds):
        for number in order.sample(range(len(rows)), len(rows)):
            rows[number]["raw_ms"][-1] += page.evaluate(f"bench.burst({number}, {settings.runs})")
            advance(f"browser {process + 1} of {settings.processes}", next(done), total)
    page.close()


def _open(page: Page, number: int, row: Measured) -> npt.NDArray[Any]:
    model = f"../models/{row['model']}-{row['engine']}-{row['precision']}"
    job = {"engine": row["engine"], "file": model, "wasm": f"../page/{MODULES.get(row['wasm'])}"}
    found = page.evaluate(f"bench.open({number}, {json.dumps(job)})")
    row["load_ms"].append(found["load_ms"])
    row["isa"] = found["isa"]
    return np.array(list(found["mask"]))


def _photo(browser: Browser, url: str, release: Measured, times: int) -> Any:
    """What each step takes from the bytes of a photo to its outline, in the page's own worker."""
    page = _bench_page(browser, url)
    return page.evaluate(f"bench.photo('../photo.png', {json.dumps(release)}, {times})")


def _bench_page(browser: Browser, url: str) -> Page:
    page = browser.open_page(f"{url}bench/index.html")
    page.wait_for("globalThis.bench")
    page.evaluate(f"bench.image('../image.rgb', {SIDE})")
    return page


def _page_row(record: Mapping[str, Any]) -> Measured:
    """The row that is what the page runs where it can."""
    wanted = (PAGE_MODEL, "native", "int8", "wasm_relaxed")
    names = ("model", "engine", "precision", "wasm")
    found: Measured = next(
        row for row in record["rows"] if tuple(row[name] for name in names) == wanted
    )
    return found


def _check(name: str, value: float, at_most: float) -> Measured:
    return {"name": name, "value": value, "at_most": at_most, "met": value <= at_most}


def _foreign_cores(seconds: float = 2.0) -> float | None:
    """Cores that others keep busy, before anything of ours runs."""
    before = conditions()["cpu_busy_s"]
    time.sleep(seconds)
    after = conditions()["cpu_busy_s"]
    return None if before is None or after is None else (after - before) / seconds
