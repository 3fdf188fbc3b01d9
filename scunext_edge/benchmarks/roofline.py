"""How fast this machine could be at most, measured, and what that means for a network.

A layer takes at least as long as its products at the highest rate that the machine reaches, and at
least as long as its bytes at the speed of a copy: the roofline model of S. Williams, A. Waterman
and D. Patterson (Communications of the ACM 52(4), 2009), layer by layer.
``python -m scunext_edge.benchmarks.roofline`` is the child's side; see :func:`work`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scunext_edge import isolate
from scunext_edge.benchmarks.costs import Layer
from scunext_edge.benchmarks.passport import conditions, last_level_cache, machine
from scunext_edge.errors import ArtifactError, BackendError
from scunext_edge.kernels import native
from scunext_edge.storage import read_record, write_json

# 1: first form
SCHEMA = 1
KIND = "roofline"
WORKER = "scunext_edge.benchmarks.roofline"
FILE = "roofline.json"
EXPLAINS = 0.6  # a limit that is less of the measured time does not say what the time went into

Bound = Literal["compute", "memory", "overhead"]

_REPEATS = 3
_COPY_S = 0.05
_MATMUL_S = 0.1
_MATMUL_SIDE = 256  # three float32 matrices of this side fit a second-level cache
# Read and written by one copy: from what a layer of these networks moves upwards
_CACHED_BYTES = (1 << 18, 1 << 20, 1 << 22, 1 << 24)
# STREAM (J. McCalpin) wants every array four times as large as the last cache.
_CACHES = 4
_LEAST_BEYOND, _MOST_BEYOND = 1 << 26, 1 << 29  # bytes of one buffer
_MEMORY_SHARE = 8  # of the available memory a buffer takes one part of so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """How fast one core copies buffers of one size; the values are the best of repetitions."""

    traffic_bytes: int  # read and written by one copy
    bytes_per_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """The limits of one core. All values are kept; a limit is the largest of its values."""

    method: Literal["libscunext", "numpy matmul"]
    isa: str | None  # what libscunext measured
    fp32_macs_per_s: tuple[float, ...]
    int8_macs_per_s: tuple[float, ...] | None  # null: not known
    copies: tuple[Copy, ...]  # the smallest first; the last one lies beyond the caches
    cache_bytes: int | None  # of the last level
    notes: tuple[str, ...] = ()

    def peak(self, precision: str) -> float | None:
        """Multiply-accumulates per second of one core; null: never measured here."""
        if precision == "fp32":
            return max(self.fp32_macs_per_s)
        if precision == "int8" and self.int8_macs_per_s:
            return max(self.int8_macs_per_s)
        return None

    def bandwidth(self, traffic_bytes: int) -> float:
        """Bytes per second for a layer that moves so many.

        That of the largest copy that moves no more, since a layer that fits a cache is bound by
        the cache; or that of a larger copy, should it have been faster.
        """
        smaller = [it.traffic_bytes for it in self.copies if it.traffic_bytes <= traffic_bytes]
        start = max(smaller, default=self.copies[0].traffic_bytes)
        return max(max(it.bytes_per_s) for it in self.copies if it.traffic_bytes >= start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The least time, by what it is made of: layers bound by arithmetic, and by memory."""

    compute_ms: float
    memory_ms: float

    @property
    def total_ms(self) -> float:
        """No run can be shorter that does these layers one after the other."""
        return self.compute_ms + self.memory_ms

    def bound(self, measured_ms: float) -> Bound:
        """What bounds a run that took ``measured_ms``; "overhead": mostly neither of the two."""
        if self.total_ms < EXPLAINS * measured_ms:
            return "overhead"
        return "compute" if self.compute_ms >= self.memory_ms else "memory"


def larger(compute_ms: float, memory_ms: float) -> Limit:
    """The limit of one layer: arithmetic and copies go on at the same time."""
    if compute_ms >= memory_ms:
        return Limit(compute_ms=compute_ms, memory_ms=0.0)
    return Limit(compute_ms=0.0, memory_ms=memory_ms)


def layer_limit(
    macs: int, moved_bytes: int, precision: str, roofline: Roofline, *, threads: int = 1
) -> Limit | None:
    """The larger of the two times; null where the rate of ``precision`` is not known.

    Threads multiply both rates. Caches and memory that cores share do not grow so: then the
    limit is shorter than it need be, never longer.
    """
    peak = roofline.peak(precision)
    if macs and peak is None:
        return None
    compute_ms = 1e3 * macs / (peak * threads) if peak else 0.0
    memory_ms = 1e3 * moved_bytes / (roofline.bandwidth(moved_bytes) * threads)
    return larger(compute_ms, memory_ms)


def limit(
    layers: Iterable[Layer], roofline: Roofline, *, threads: int = 1, images: int = 1
) -> Limit | None:
    """The sum over layers, for a batch of ``images``; null where one of them has none."""
    compute_ms = memory_ms = 0.0
    for layer in layers:
        macs, moved = images * layer.macs, layer.bytes_of(images)
        found = layer_limit(macs, moved, layer.precision, roofline, threads=threads)
        if found is None:
            return None
        compute_ms += found.compute_ms
        memory_ms += found.memory_ms
    return Limit(compute_ms=compute_ms, memory_ms=memory_ms)


def measured(folder: Path) -> Roofline:
    """What ``folder`` holds of this machine; else it is measured now, which takes a second."""
    path, here = folder / FILE, machine()
    try:
        stored = read_record(path, kind=KIND, schema=SCHEMA)
        if stored["machine"] == here:
            return from_json(stored["roofline"])
    except (ArtifactError, KeyError, TypeError, ValueError):
        pass  # none, or not a whole one: both are measured anew
    found = calibrate()
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    head = {"schema": SCHEMA, "kind": KIND, "created": created, "machine": here}
    write_json(path, {**head, "roofline": asdict(found)})
    return found


def calibrate() -> Roofline:
    """Measure in a fresh process of one thread."""
    return from_json(isolate.call(WORKER, {}, env=isolate.thread_limits(1)))


def from_json(fields: Mapping[str, Any]) -> Roofline:
    """Read ``dataclasses.asdict`` of a roofline back."""
    copies = [
        Copy(traffic_bytes=it["traffic_bytes"], bytes_per_s=tuple(it["bytes_per_s"]))
        for it in fields["copies"]
    ]
    int8 = fields["int8_macs_per_s"]
    return Roofline(
        **{
            **fields,
            "fp32_macs_per_s": tuple(fields["fp32_macs_per_s"]),
            "int8_macs_per_s": None if int8 is None else tuple(int8),
            "copies": tuple(copies),
            "notes": tuple(fields["notes"]),
        }
    )


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Measure rates and copies of this process's one core."""
    notes: list[str] = []
    rates = _rates(machine()["isa"] or (), notes)
    cache = last_level_cache()
    sizes = (*_CACHED_BYTES, 2 * _beyond(cache, _available_bytes(), notes))
    copies = [Copy(traffic_bytes=it, bytes_per_s=_copy_values(it)) for it in sizes]
    found = Roofline(**rates, copies=tuple(copies), cache_bytes=cache, notes=tuple(notes))
    return asdict(found)


def copy_bytes_per_s(total: int, *, seconds: float = _COPY_S) -> float:
    """Read and written by one core, between two buffers that together have ``total`` bytes."""
    source = np.ones(max(total // 2, 1 << 16), np.uint8)
    target = np.empty_like(source)
    return 2 * source.nbytes / _shortest(lambda: np.copyto(target, source), seconds)


def _copy_values(total: int) -> tuple[float, ...]:
    return tuple(copy_bytes_per_s(total) for _ in range(_REPEATS))


def _rates(isa: Iterable[str], notes: list[str]) -> dict[str, Any]:
    """The fields about arithmetic."""
    try:
        best = native.instruction_sets()[0]
        fp32 = tuple(native.peak("f32") for _ in range(_REPEATS))
        int8 = tuple(native.peak("int8") for _ in range(_REPEATS))
    except BackendError:
        notes.append("the rate of int8 is not known: libscunext does not run here")
        left = np.ones((_MATMUL_SIDE, _MATMUL_SIDE), np.float32)
        values = tuple(
            _MATMUL_SIDE**3 / _shortest(lambda: left @ left, _MATMUL_S) for _ in range(_REPEATS)
        )
        rates = {"fp32_macs_per_s": values, "int8_macs_per_s": None}
        return {"method": "numpy matmul", "isa": None, **rates}
    if "amx_int8" in set(isa):
        notes.append("the rate of int8 is not known: libscunext does not use this processor's AMX")
        return _native_rates(best, fp32, None)
    return _native_rates(best, fp32, int8)


def _native_rates(
    isa: str, fp32: tuple[float, ...], int8: tuple[float, ...] | None
) -> dict[str, Any]:
    rates = {"fp32_macs_per_s": fp32, "int8_macs_per_s": int8}
    return {"method": "libscunext", "isa": isa, **rates}


def _beyond(cache: int | None, available: int | None, notes: list[str]) -> int:
    """Bytes of a buffer that no cache holds, as far as memory allows."""
    wanted = max(_LEAST_BEYOND, _CACHES * (cache or 0))
    most = min(_MOST_BEYOND, (available or _MOST_BEYOND * _MEMORY_SHARE) // _MEMORY_SHARE)
    if cache is None:
        notes.append("the size of the last cache is not known: the largest copy may lie in it")
    elif wanted > most:
        notes.append(f"the largest copy is less than {_CACHES} times the last cache")
    return min(wanted, most)


def _available_bytes() -> int | None:
    """Free memory of the machine, or what a container may have if that is less."""
    known = (conditions()["memory_available_bytes"], machine()["memory_limit_bytes"])
    return min((it for it in known if isinstance(it, int)), default=None)


def _shortest(call: Callable[[], object], seconds: float) -> float:
    """The shortest of the calls that fit into ``seconds``, and of two at least."""
    call()
    best, until, calls = float("inf"), time.perf_counter() + seconds, 0
    while calls < 2 or time.perf_counter() < until:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
        calls += 1
    return best


if __name__ == "__main__":
    isolate.serve(work)
