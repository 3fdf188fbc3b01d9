"""How a call is timed, and calls back to back: one runner, one region, one call per value.

Scenarios with idle time or with hours of load are in :mod:`scunext_edge.benchmarks.scenarios`.
"""

from __future__ import annotations

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from scunext_edge.data.images import read_image
from scunext_edge.errors import ConfigError
from scunext_edge.results import Region
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.runner import Runner
from scunext_edge.spec import Array, Arrays, ModelSpec

# With a time budget a slow network gets fewer values than planned, but never fewer than these:
# below five a median absolute deviation says nothing.
MINIMUM_VALUES = 5
MINIMUM_WARMUP = 2
# Warm-up may use this share of the budget; what it leaves goes to values.
_WARMUP_SHARE = 0.3
_HARNESS_CALLS = 500

# The first two are MLPerf's: https://github.com/mlcommons/inference_policies, inference_rules.adoc.
Scenario = Literal["single-stream", "offline", "clinic", "burst", "soak"]
BACK_TO_BACK: tuple[Scenario, ...] = ("single-stream", "offline")
FROM_IDLE: tuple[Scenario, ...] = ("clinic", "burst")

_SAY = {
    "interval_s": "set it in the suite, or give --interval SECONDS",
    "burst": "set it in the suite: images that arrive at once",
    "duration_s": "set it in the suite, or give --duration SECONDS",
}
_LEAVE = {
    "interval_s": "leave it out, or choose --scenario clinic or burst",
    "burst": "leave it out, or choose --scenario burst",
    "budget_s": "leave it out of the suite, or use the suite of that name: --suite clinic",
}

Call = Callable[[], object]
Clock = Callable[[], int]  # nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is timed and how often, in one process.

    ``values`` and ``duration_s`` are both minimums: values are taken until there are as many and
    they took as long; where calls are not back to back, it is the clock on the wall that counts.
    ``budget_s`` bounds warm-up and values together; null: take them all, however long.
    """

    region: Region
    scenario: Scenario = "single-stream"
    warmup: int
    values: int
    duration_s: float = 0.0
    budget_s: float | None = None
    interval_s: float | None = None  # clinic, burst: from one arrival to the next
    burst: int | None = None  # burst: images that arrive at once

    @property
    def least_s(self) -> float:
        """Seconds that it takes at least, however fast the engine is."""
        return max(self.duration_s, self.values * (self.interval_s or 0.0))

    def __post_init__(self) -> None:
        if self.warmup < 0 or self.values < 1:
            raise ConfigError(
                f"{self.warmup} warm-up calls and {self.values} values are no plan",
                hint="warmup is 0 or more, values 1 or more",
            )
        if self.budget_s is not None and (self.budget_s <= 0 or self.warmup < 1):
            raise ConfigError(
                "a time budget needs more than 0 seconds and at least one warm-up call",
                hint="how many values fit is decided by what the warm-up took",
            )
        if self.duration_s < 0 or self.duration_s > (self.budget_s or math.inf):
            raise ConfigError(
                f"values for {self.duration_s:g} s do not fit into {self.budget_s} s",
                hint="leave the budget out, or ask for a duration from 0 to the budget",
            )
        self._check_scenario()

    def _check_scenario(self) -> None:
        """What the scenario needs is there, and what it has no use for is not."""
        name = self.scenario
        wanted = {"interval_s": name in FROM_IDLE, "burst": name == "burst"}
        if name == "soak":
            wanted["duration_s"] = True
        if name not in BACK_TO_BACK:
            wanted["budget_s"] = False
        for key, is_wanted in wanted.items():
            value = getattr(self, key)
            if is_wanted and not value:
                raise ConfigError(f"the scenario {name} needs {key}", hint=_SAY[key])
            if value is not None and not is_wanted:
                raise ConfigError(f"the scenario {name} has no use for {key}", hint=_LEAVE[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of a soak; its percentiles are those of all its calls."""

    start_s: float  # since the end of warm-up
    calls: int
    p50_ns: int
    p95_ns: int
    max_ns: int
    resident_bytes: tuple[int, ...]  # between calls, evenly spread; empty where it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What hours of calls left beside their values."""

    window_s: float
    windows: tuple[Window, ...]
    every: int  # ``values_ns`` holds one of so many calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Raw nanoseconds of one process, in the order they were taken."""

    warmup_ns: tuple[int, ...]
    values_ns: tuple[int, ...]
    masks_ns: tuple[tuple[int, ...], ...] = ()  # burst: from its arrival to the end of each call
    evicted_bytes: int | None = None  # of the buffer that emptied the caches before each value
    soak: Soak | None = None


def measure(
    runner: Runner,
    inputs: Arrays,
    plan: Plan,
    *,
    encoded: bytes = b"",
    clock: Clock = time.perf_counter_ns,
) -> Samples:
    """Time ``plan.region`` of one runner, back to back, one call per value.

    ``compute`` and ``transfer`` run on ``inputs``, ``end_to_end`` on the image file whose bytes
    are ``encoded``. How many values the budget allows is settled between warm-up and values.
    """
    runner.put(inputs)
    call = region_call(runner, inputs, encoded, plan.region)
    with gc_paused():
        warmup = warm_up(call, plan, clock)
        values = _values(call, plan, _affordable(plan, warmup), clock)
    return Samples(warmup_ns=warmup, values_ns=values)


def harness_cost_ns(region: Region, *, clock: Clock = time.perf_counter_ns) -> int:
    """What measuring itself adds to a value: the median time of a runner that does nothing.

    Decoding and resizing belong to ``end_to_end``, so its harness cost is that of ``transfer``.
    """
    timed: Region = "compute" if region == "compute" else "transfer"
    plan = Plan(region=timed, warmup=_HARNESS_CALLS // 10, values=_HARNESS_CALLS)
    return int(statistics.median(measure(_Idle(), {}, plan, clock=clock).values_ns))


def region_call(runner: Runner, inputs: Arrays, encoded: bytes, region: Region) -> Call:
    """What is done between the two looks at the clock."""
    if region == "compute":
        return runner.execute
    if region == "transfer":
        return _with_transfer(runner, inputs)
    return _with_everything(runner, encoded)


def _with_transfer(runner: Runner, inputs: Arrays) -> Call:
    def call() -> None:
        runner.put(inputs)
        runner.execute()
        runner.get()

    return call


def _with_everything(runner: Runner, encoded: bytes) -> Call:
    predictor = Predictor(runner)

    def call() -> object:
        return predictor.predict(read_image(encoded)).mask

    return call


def warm_up(call: Call, plan: Plan, clock: Clock) -> tuple[int, ...]:
    """Up to ``plan.warmup`` calls; with a budget, fewer once their share of it is used."""
    limit_ns = float("inf") if plan.budget_s is None else plan.budget_s * 1e9 * _WARMUP_SHARE
    taken: list[int] = []
    while len(taken) < plan.warmup and (len(taken) < MINIMUM_WARMUP or sum(taken) < limit_ns):
        taken.append(time_once(call, clock))
    return tuple(taken)


def _values(call: Call, plan: Plan, count: int, clock: Clock) -> tuple[int, ...]:
    """At least ``count``, and more of them until the planned duration is filled."""
    taken = [time_once(call, clock) for _ in range(count)]
    if plan.duration_s:
        spent = sum(taken)
        while spent < plan.duration_s * 1e9:
            taken.append(time_once(call, clock))
            spent += taken[-1]
    return tuple(taken)


def _affordable(plan: Plan, warmup_ns: Sequence[int]) -> int:
    if plan.budget_s is None:
        return plan.values
    left_ns = plan.budget_s * 1e9 - sum(warmup_ns)
    typical_ns = max(1.0, statistics.median(warmup_ns[len(warmup_ns) // 2 :]))
    return min(plan.values, max(MINIMUM_VALUES, int(left_ns / typical_ns)))


def time_once(call: Call, clock: Clock) -> int:
    """Nanoseconds of one call."""
    start = clock()
    call()
    return clock() - start


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """A collection in the middle of a value would be counted as the engine's time."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Idle:
    """A runner that does nothing: what remains is the cost of measuring."""

    spec = ModelSpec(size=32)

    def put(self, inputs: Arrays) -> None: ...

    def execute(self) -> None: ...

    def get(self) -> dict[str, Array]:
        return {}

    def census(self) -> None:
        return None

    def close(self) -> None: ...
