"""Calls as a point of care makes them: a patient from idle, a burst of images, hours of load.

``single-stream`` and ``offline`` are calls back to back (:mod:`scunext_edge.benchmarks.measure`).
Nothing but the call stands between two looks at the clock; sleeping, emptying caches and asking
for memory happen before or after.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scunext_edge.benchmarks.caches import Evictor
from scunext_edge.benchmarks.measure import (
    BACK_TO_BACK,
    Call,
    Clock,
    Plan,
    Samples,
    Soak,
    Window,
    gc_paused,
    harness_cost_ns,
    measure,
    region_call,
    time_once,
    warm_up,
)
from scunext_edge.benchmarks.memory import resident_bytes
from scunext_edge.errors import MeasurementError
from scunext_edge.runtime.runner import Runner
from scunext_edge.spec import Arrays

WINDOW_S = 60.0  # of a soak, and never more than a twentieth of it
_WINDOWS = 20
_SAMPLES = 20  # of the memory per window, and never more than one per second
KEPT = 16_384  # values of a soak that are stored, and that a window's percentiles rest on
_HARNESS_BURSTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a scenario does to the world beside its calls; tests give another world."""

    clock: Clock = time.perf_counter_ns
    sleep: Callable[[float], None] = time.sleep
    evict: Callable[[], None] | None = None  # null: an :class:`Evictor`, where one is needed
    resident: Callable[[], int | None] = resident_bytes
    keep: Callable[[Window], None] = lambda window: None  # called for each window of a soak


def take(
    runner: Runner,
    inputs: Arrays,
    plan: Plan,
    *,
    encoded: bytes = b"",
    means: Means | None = None,
) -> Samples:
    """Time ``plan.region`` of one runner in the manner of ``plan.scenario``.

    ``inputs`` and ``encoded`` as in :func:`scunext_edge.benchmarks.measure.measure`. A burst of
    ``compute`` or ``transfer`` takes as many images per call as ``inputs`` hold.
    """
    means = means or Means()
    if plan.scenario in BACK_TO_BACK:
        return measure(runner, inputs, plan, encoded=encoded, clock=means.clock)
    runner.put(inputs)
    call = region_call(runner, inputs, encoded, plan.region)
    with gc_paused():
        warmup = warm_up(call, plan, means.clock)
        if plan.scenario == "soak":
            samples = _soak(call, plan, means)
        else:
            samples = _from_idle(call, _calls(plan, inputs), plan, means)
    return replace(samples, warmup_ns=warmup)


def harness_ns(plan: Plan, *, calls: int = 1, clock: Clock = time.perf_counter_ns) -> int:
    """What measuring itself adds to a value of this plan, of ``calls`` calls each."""
    if plan.scenario != "burst":
        return harness_cost_ns(plan.region, clock=clock)
    ends = [_burst(lambda: None, calls, clock)[-1] for _ in range(_HARNESS_BURSTS)]
    return int(statistics.median(ends))


def window_s(plan: Plan) -> float:
    """Seconds of a soak's window."""
    return min(WINDOW_S, plan.duration_s / _WINDOWS)


def calls_per_burst(plan: Plan, batch: int) -> int:
    """How often the engine is called until the last mask of a burst."""
    return math.ceil((plan.burst or 1) / batch)


def _calls(plan: Plan, inputs: Arrays) -> int:
    return calls_per_burst(plan, len(next(iter(inputs.values()), ())) or 1)


def _from_idle(call: Call, calls: int, plan: Plan, means: Means) -> Samples:
    """Arrivals at equal intervals; a value is the time from an arrival to its last mask.

    The caches are emptied right after a patient, before the pause and not at its end: the pause
    then leaves the core as idle, and its clock as low, as a pause does.
    """
    evict = means.evict or Evictor()
    start = means.clock()
    taken: list[tuple[int, ...]] = []
    while len(taken) < plan.values or _since(start, means) < plan.duration_s:
        evict()
        left_s = (len(taken) + 1) * (plan.interval_s or 0.0) - _since(start, means)
        if left_s <= 0:
            raise MeasurementError(
                f"an arrival every {plan.interval_s:g} s leaves no idle time before the next",
                hint="give a longer --interval",
            )
        means.sleep(left_s)
        taken.append(_burst(call, calls, means.clock))
    return Samples(
        warmup_ns=(),
        values_ns=tuple(ends[-1] for ends in taken),
        masks_ns=tuple(taken) if plan.scenario == "burst" else (),
        evicted_bytes=getattr(evict, "size_bytes", None),
    )


def _burst(call: Call, calls: int, clock: Clock) -> tuple[int, ...]:
    """When each of ``calls`` calls had ended, in nanoseconds since the first began."""
    ends = []
    start = clock()
    for _ in range(calls):
        call()
        ends.append(clock() - start)
    return tuple(ends)


def _soak(call: Call, plan: Plan, means: Means) -> Samples:
    """Calls without a pause for ``plan.duration_s``, in windows.

    What is stored is thinned and lies in memory that is taken before, so that the harness does
    not grow where growth is looked for (some ten kilobytes an hour are left of it).
    """
    length_s = window_s(plan)
    kept, current = Thinned(), _Current(length_s)
    windows: list[Window] = []
    calls, start = 0, means.clock()
    gc.freeze()  # what exists now is looked at by no collection of the soak
    try:
        while True:
            elapsed_s = _since(start, means)
            is_over = calls >= plan.values and elapsed_s >= plan.duration_s
            if current.calls and (is_over or elapsed_s >= (len(windows) + 1) * length_s):
                windows.append(current.close())
                means.keep(windows[-1])
                current.open(elapsed_s)
            if is_over:
                break
            if current.wants_memory(elapsed_s):
                gc.collect()  # paused otherwise: cycles must not pass for growth
                current.note_memory(means.resident(), elapsed_s)
            value = time_once(call, means.clock)
            kept.add(value)
            current.values.add(value)
            current.calls += 1
            calls += 1
    finally:
        gc.unfreeze()
    soak = Soak(window_s=length_s, windows=tuple(windows), every=kept.every)
    return Samples(warmup_ns=(), values_ns=tuple(kept.numbers().tolist()), soak=soak)


class _Current:
    """The window of a soak that is being filled."""

    def __init__(self, window_s: float) -> None:
        self.values = Thinned()
        self._period_s = max(1.0, window_s / _SAMPLES)
        self._next_s = 0.0
        self.open(0.0)

    def open(self, start_s: float) -> None:
        self.values.clear()
        self.calls = 0
        self._start_s = start_s
        self._memory: list[int] = []

    def wants_memory(self, elapsed_s: float) -> bool:
        return elapsed_s >= self._next_s

    def note_memory(self, size: int | None, elapsed_s: float) -> None:
        self._next_s = elapsed_s + self._period_s
        if size is not None:
            self._memory.append(size)

    def close(self) -> Window:
        values = self.values.numbers()
        p50, p95 = np.percentile(values, (50, 95))
        return Window(
            start_s=self._start_s,
            calls=self.calls,
            p50_ns=int(p50),
            p95_ns=int(p95),
            max_ns=int(values.max()),
            resident_bytes=tuple(self._memory),
        )


class Thinned:
    """At most ``capacity`` of ever so many numbers, evenly spread: each, each second, each fourth.

    ``capacity`` is even. Its memory is taken and touched at once, and never grows.
    """

    def __init__(self, capacity: int = KEPT) -> None:
        self._kept = np.ones(capacity, np.int64)
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.every, self._seen, self._count = 1, 0, 0

    def add(self, number: int) -> None:
        """Keep it or not."""
        if self._seen % self.every == 0:
            if self._count == len(self._kept):
                self._count //= 2
                self._kept[: self._count] = self._kept[::2].copy()
                self.every *= 2
            self._kept[self._count] = number
            self._count += 1
        self._seen += 1

    def numbers(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """int64 [at most capacity]: what was kept, in order; valid until the next change."""
        return self._kept[: self._count]


def _since(start: int, means: Means) -> float:
    return (means.clock() - start) / 1e9
