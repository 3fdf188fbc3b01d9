"""What each operation of the native engine costs, and what bounds it.

``python -m scunext_edge.pipeline.kernels.stages`` is the child's side; see :func:`work`.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from scunext_edge import isolate
from scunext_edge.errors import EngineError
from scunext_edge.kernels import native
from scunext_edge.kernels.plan import NONE, TAILS, BlobType, Kind, Op, Plan, TensorType, read_plan
from scunext_edge.pipeline.kernels.peer import picture

WORKER = "scunext_edge.pipeline.kernels.stages"
COMPUTE_BOUND = 0.6  # of the peak
MEMORY_BOUND = 0.6  # of the speed at which memory of this size is copied
_ITEM = {TensorType.F32: 4, TensorType.Q8: 1, TensorType.Q16: 2}
_INTEGERS = {BlobType.INT8, BlobType.INT16}
_WARMUP = 10
_COPY_S = 0.05


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
    share = limit_s / seconds
    return {
        "name": name,
        "macs": macs,
        "bytes": moved,
        "ms_min": seconds * 1e3,
        "ms_median": statistics.median(ns) / 1e6,
        "limit_ms": limit_s * 1e3,
        "peak_share": share if macs else None,
        "copy_share": moved / seconds / copied,
        "bound": bound(share, moved / seconds / copied),
    }


def bound(peak_share: float, copy_share: float) -> str:
    """In a word: where more speed would have to come from."""
    if peak_share > COMPUTE_BOUND:
        return "compute"
    return "memory" if copy_share > MEMORY_BOUND else "overhead"


def arithmetic(plan: Plan, op: Op) -> native.Arithmetic:
    """What the products are made of: its first weights tell."""
    kinds = [plan.blobs[blob].type for blob in op.blobs if blob != NONE]
    return "int8" if kinds and kinds[0] in _INTEGERS else "f32"


def traffic(plan: Plan, op: Op, size: int) -> int:
    """Bytes that must be read or written once: activations, weights, image and mask."""
    moved = 0
    for index in {*op.inputs, *op.outputs} - {NONE}:
        tensor = plan.tensors[index]
        moved += int(np.prod(tensor.shape(size, size))) * _ITEM[tensor.type]
    for index in {*op.blobs} - {NONE}:
        blob = plan.blobs[index]
        moved += blob.stored.size * (4 if blob.type is BlobType.BF16 else blob.stored.itemsize)
    if op.kind is Kind.NORMALIZE:
        moved += 3 * size * size
    return moved + size * size if op.kind in TAILS else moved


def copy_bytes_per_s(total: int) -> float:
    """Read and written by one core, between two buffers that together have ``total`` bytes."""
    source = np.ones(max(total // 2, 1 << 16), np.uint8)
    target = np.empty_like(source)
    best, until = float("inf"), time.perf_counter() + _COPY_S
    while time.perf_counter() < until:
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    return 2 * source.nbytes / best


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
