"""What each operation of the native engine costs, and what bounds it.

``python -m scunext_edge.pipeline.kernels.stages`` is the child's side; see :func:`work`.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.benchmarks.roofline import copy_bytes_per_s, larger
from scunext_edge.errors import EngineError
from scunext_edge.kernels import native
from scunext_edge.kernels.plan import Op, Plan, read_plan
from scunext_edge.kernels.traffic import arithmetic, traffic
from scunext_edge.pipeline.kernels.peer import picture

WORKER = "scunext_edge.pipeline.kernels.stages"
_WARMUP = 10


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Run ``file`` with its profile on, one thread; the peaks are taken before and after."""
    path, size, isa = Path(job["file"]), job["size"], job["isa"]
    model = native.open_model(path, isa=isa, size=(size, size), profile=1)
    plan = read_plan(path.read_bytes())
    before = _peaks(isa)
    times = _times(model, picture(size)[None], job["runs"])
    after = _peaks(isa)
    peaks = {what: max(before[what], after[what]) for what in before}
    arena = model.description.arena_bytes
    copied = copy_bytes_per_s(arena)
    operations = model.operations()
    if len(operations) != len(plan.ops):
        raise EngineError(
            f"{path.name} holds {len(plan.ops)} operations, the engine runs {len(operations)}"
        )
    found = [
        stage(plan, op, name=it.name, macs=it.macs, ns=ns, size=size, peaks=peaks, copied=copied)
        for op, it, ns in zip(plan.ops, operations, times, strict=True)
    ]
    return {
        "isa": model.description.isa,
        "peaks_macs_per_s": peaks,
        "copy_bytes_per_s": copied,
        "arena_bytes": arena,
        "file_bytes": model.description.file_bytes,
        "ms_min": sum(it["ms_min"] for it in found),
        "limit_ms": sum(it["limit_ms"] for it in found),
        "operations": found,
    }


def stage(
    plan: Plan,
    op: Op,
    *,
    name: str,
    macs: int,
    ns: list[int],
    size: int,
    peaks: dict[str, float],
    copied: float,
) -> dict[str, Any]:
    """One operation: time, share of the peak, bytes and what bounds it."""
    seconds = max(min(ns), 1) / 1e9
    moved = traffic(plan, op, size)
    limit_s = macs / peaks[arithmetic(plan, op)]
    copy_s = moved / copied
    return {
        "name": name,
        "macs": macs,
        "bytes": moved,
        "ms_min": seconds * 1e3,
        "ms_median": statistics.median(ns) / 1e6,
        "limit_ms": limit_s * 1e3,
        "peak_share": limit_s / seconds if macs else None,
        "copy_share": copy_s / seconds,
        "bound": larger(limit_s * 1e3, copy_s * 1e3).bound(seconds * 1e3),
    }


def _peaks(isa: str) -> dict[str, float]:
    whats: tuple[native.Arithmetic, ...] = ("f32", "int8")
    return {what: native.peak(what, isa=isa) for what in whats}


def _times(model: native.Model, images: Any, runs: int) -> list[list[int]]:
    """Nanoseconds of each operation, run by run."""
    for _ in range(_WARMUP):
        model.run(images)
    taken = []
    for _ in range(runs):
        model.run(images)
        taken.append([operation.time_ns for operation in model.operations()])
    return [list(one) for one in zip(*taken, strict=True)]


if __name__ == "__main__":
    isolate.serve(work)
