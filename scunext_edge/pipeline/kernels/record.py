"""The whole measurement as one record, and what became slower since the record before."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.benchmarks.passport import conditions, machine
from scunext_edge.errors import BackendMissing, ConfigError, ScunextEdgeError
from scunext_edge.kernels import native
from scunext_edge.pipeline.kernels import stages, targets
from scunext_edge.pipeline.kernels.files import Files, missing
from scunext_edge.pipeline.kernels.footprint import footprint
from scunext_edge.pipeline.kernels.rounds import measure_group
from scunext_edge.pipeline.kernels.settings import Form, Settings
from scunext_edge.progress import Advance
from scunext_edge.provenance import tool

# 1: first form
SCHEMA = 1
KIND = "kernels"
_FOREIGN_CORES = 0.2  # other processes may use this many cores unmentioned
_ENOUGH_ROUNDS = 5
_SAME_PIXELS = {"fp32": 0.999, "bf16": 0.99, "int8": 0.97}  # fewer: not the same network
_SLOWER = 1.3  # times as long as in the record before
_LEAST_MS = 0.005  # shorter operations are as long as the clock is coarse

Measured = dict[str, Any]


def measure(
    settings: Settings,
    *,
    advance: Advance = lambda what, done, of: None,
    before: Mapping[str, Any] | None = None,
) -> Measured:
    """Make the files, measure every group, then the stages; ``before`` is an older record."""
    isa = _instruction_set(settings.isa)
    state = conditions()
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as name:
        folder = Path(name)
        files = _make_files(settings, folder, advance)
        groups = _measure_groups(settings, files, isa, folder, advance)
        found = _stages(settings, files, isa, folder, advance)
    rows = [row for group in groups for row in group["rows"]]
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "tool": tool(),
        "environment": {
            **machine(),
            "engines": {row["engine"]: row["version"] for row in rows},
            "native_isa": isa,
            "native_isa_forced": settings.isa is not None,
            "conditions": {"before": state, "after": conditions()},
            "foreign_cores": [group["foreign_cores"] for group in groups],
        },
        "settings": asdict(settings),
        **_judged(rows, found, isa),
        "missing": [it for group in groups for it in group["missing"]] + found["missing"],
        "stages": found["stages"],
        "footprints": found["footprints"],
        "rows": rows,
    }
    record["slower"] = slower(before, record) if before else []
    record["doubts"] = list(doubts(record))
    return record


def doubts(record: Mapping[str, Any]) -> Iterator[str]:
    """Reasons not to believe the numbers, in words."""
    busiest = max((it for it in record["environment"]["foreign_cores"] if it), default=0.0)
    if busiest > _FOREIGN_CORES:
        yield f"other processes kept up to {busiest:.1f} cores busy meanwhile"
    if record["settings"]["rounds"] < _ENOUGH_ROUNDS:
        yield f"{record['settings']['rounds']} rounds; a publishable number has {_ENOUGH_ROUNDS}"
    for row in record["rows"]:
        subject = f"{row['model']} {row['size']}, threads {row['threads']}, "
        subject += " ".join(str(row[name]) for name in Form._fields if row[name])
        if row["cores_used"] > row["threads"] + 0.1:
            yield f"{subject}: it used {row['cores_used']:.1f} cores"
        same = row["same_pixels"]
        if same is not None and same < _SAME_PIXELS[row["precision"]]:
            yield f"{subject}: only {same:.1%} of the pixels are those of the reference"


def slower(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Operations that take longer than in an older record of this processor."""
    if old["environment"]["cpu_model"] != new["environment"]["cpu_model"]:
        return []
    known = {key: ms for table in old["stages"] for key, ms in _timed(table)}
    found = []
    for table in new["stages"]:
        for key, ms in _timed(table):
            was = known.get(key)
            if was and max(was, ms) > _LEAST_MS and ms > _SLOWER * was:
                model, size, precision, isa, index, name = key
                where = {"model": model, "size": size, "precision": precision, "isa": isa}
                found.append({**where, "index": index, "name": name, "ms_was": was, "ms_min": ms})
    return found


def _timed(table: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], float]]:
    subject = tuple(table[name] for name in ("model", "size", "precision", "isa"))
    for index, operation in enumerate(table["operations"]):
        yield (*subject, index, operation["name"]), operation["ms_min"]


def _judged(rows: Sequence[Measured], found: Measured, isa: str | None) -> Measured:
    instructions = machine()["isa"]
    return {
        "ratios": targets.ratios(rows, isa=isa or "nothing", instructions=instructions),
        "checks": targets.checks(rows, found["stages"], found["footprints"]),
    }


def _instruction_set(forced: str | None) -> str | None:
    """What native runs on; null where it is not built, which is then told row by row."""
    try:
        offered = native.instruction_sets()
    except BackendMissing:
        return None
    if forced is not None and forced not in offered:
        raise ConfigError(
            f"the instruction set {forced!r} cannot be used here",
            hint=f"choose one of: {', '.join(offered)}",
        )
    return forced or offered[0]


def _make_files(settings: Settings, folder: Path, advance: Advance) -> dict[tuple[str, int], Files]:
    """Everything that has to be exported, two networks at a time; what fails is told later."""
    kept = {
        (model, size): Files(model, size, folder, calibration=settings.calibration)
        for model in settings.models
        for size in settings.sizes
    }
    total, done = len(kept) * len(settings.forms), iter(range(1, 1 + 10**6))

    def make(files: Files) -> None:
        for form in settings.forms:
            with contextlib.suppress(ScunextEdgeError):  # told where its row would stand
                files.path(form)
            advance("files", next(done), total)

    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        list(pool.map(make, kept.values()))
    return kept


def _measure_groups(
    settings: Settings,
    files: Mapping[tuple[str, int], Files],
    isa: str | None,
    folder: Path,
    advance: Advance,
) -> list[Measured]:
    groups = list(settings.groups())
    total, done = len(groups) * settings.rounds, iter(range(1, 1 + 10**6))
    return [
        measure_group(
            group,
            settings,
            files[group.model, group.size],
            isa=isa or "",
            folder=folder,
            advanced=lambda: advance("rounds", next(done), total),
        )
        for group in groups
    ]


def _stages(
    settings: Settings,
    files: Mapping[tuple[str, int], Files],
    isa: str | None,
    folder: Path,
    advance: Advance,
) -> Measured:
    """The native engine's operations and footprint, one thread."""
    forms = [form for form in settings.forms if form.engine == "native"]
    jobs = [(model, size, form) for model, size in files for form in forms]
    found: Measured = {"stages": [], "footprints": [], "missing": []}
    for done, (model, size, form) in enumerate(jobs):
        where: Measured = {"model": model, "size": size, "precision": form.precision}
        try:
            (file,) = files[model, size].path(form).glob("*.scx")
            job = {"file": str(file), "size": size, "isa": isa, "runs": settings.runs_per_stage}
            table = isolate.call(stages.WORKER, job, env={"OMP_NUM_THREADS": "1"})
            found["stages"].append({**where, **table})
            found["footprints"].append(footprint(**where, file=file, stages=table, folder=folder))
        except ScunextEdgeError as error:
            found["missing"].append(missing(form, error, model=model, size=size, what="stages"))
        advance("stages", done + 1, len(jobs))
    return found
