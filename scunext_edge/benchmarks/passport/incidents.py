"""What happened during a measurement that its numbers should not be trusted for, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scunext_edge.benchmarks.passport.gpu import SLOWING

_LEAST_WINDOW_S = 0.2  # the kernel counts in hundredths of a second
_STEAL_SHARE = 0.05
_WAITING_SHARE = 0.1
_NOTABLE_CORES = 0.1
_SWAPPED_BYTES = 10_000_000

State = Mapping[str, Any]


def doubts(environment: Mapping[str, Any]) -> list[str]:
    """Reasons from {"before": ..., "after": ...}, in words fit for a report.

    What was not read gives no reason: silence is not a proof of quiet.
    """
    before, after = environment.get("before") or {}, environment.get("after") or {}
    return [
        *_throttled(before, after),
        *_limited(before, after),
        *_supply(before, after),
        *_raspberry(before, after),
        *_alarms(before, after),
        *_jetson(after),
        *_gpu(before, after),
        *_stolen(before, after),
        *_others(before, after),
        *_swapped(before, after),
    ]


def _rise(before: State, after: State, name: str) -> float:
    """How much a counter rose; 0 where it was not read on both sides."""
    start, end = before.get(name), after.get(name)
    return 0.0 if start is None or end is None else max(0.0, float(end) - float(start))


def _throttled(before: State, after: State) -> Iterator[str]:
    for name, what in (("core_throttles", "a core"), ("package_throttles", "the processor")):
        times = _rise(before, after, name)
        if times:
            yield f"{what} was slowed {_times(times)} meanwhile because it was too hot"


def _limited(before: State, after: State) -> Iterator[str]:
    times = _rise(before, after, "cpu_limit_throttles")
    if times:
        ms = _rise(before, after, "cpu_limit_throttled_us") / 1000
        lasted = f", for {ms:.0f} ms in all" if ms else ""
        yield f"the limit on CPU time of the container stopped it {_times(times)} meanwhile{lasted}"


def _supply(before: State, after: State) -> Iterator[str]:
    if "battery" in {before.get("power_source"), after.get("power_source")}:
        percent = after.get("battery_percent")
        left = "" if percent is None else f" ({percent} % left)"
        yield f"it ran on battery{left}, which may lower the clock"


def _raspberry(before: State, after: State) -> Iterator[str]:
    start, end = before.get("raspberry_pi") or {}, after.get("raspberry_pi") or {}
    now = {*(start.get("now") or ()), *(end.get("now") or ())}
    earlier = set(start.get("since_start") or ())
    happened = set(end.get("since_start") or ()) - earlier
    for flags, when in (
        (now | happened, "during the measurement"),
        (earlier - now, "at some time since its start"),
    ):
        if flags:
            yield f"the Raspberry Pi reports {', '.join(sorted(flags))} {when}"


def _alarms(before: State, after: State) -> Iterator[str]:
    raised = {
        alarm
        for state in (before, after)
        for alarm in (state.get("jetson") or {}).get("alarms") or ()
    }
    if raised:
        yield f"sensors of the Jetson raised an alarm: {', '.join(sorted(raised))}"


def _jetson(after: State) -> Iterator[str]:
    jetson = after.get("jetson") or {}
    if jetson.get("clocks") == "not pinned":
        yield "the Jetson's clocks are not pinned: they follow the load"
    if jetson.get("clocks") != "pinned":
        return
    for domain in jetson.get("gpu_clock_hz") or ():
        if _below(domain["cur"], domain["max"]):
            yield (
                f"the Jetson's GPU clock is pinned to {domain['max'] / 1e6:.0f} MHz, yet it ran "
                f"at {domain['cur'] / 1e6:.0f} MHz: it was throttled"
            )
    limits = [it["limit_max_khz"] for it in after.get("clock_policies") or ()]
    slowest = min(after.get("clock_khz") or (), default=None)
    if len(set(limits)) == 1 and _below(slowest, limits[0]):
        yield (
            f"the Jetson's CPU clock is pinned to {limits[0] / 1e3:.0f} MHz, yet a CPU ran at "
            f"{(slowest or 0) / 1e3:.0f} MHz: it was throttled"
        )


def _below(current: float | None, most: float | None) -> bool:
    """By more than a step of rounding."""
    return current is not None and most is not None and current < 0.98 * most


def _gpu(before: State, after: State) -> Iterator[str]:
    old, new = before.get("gpus") or (), after.get("gpus") or ()
    held = {reason for gpu in (*old, *new) for reason in gpu.get("clock_reasons") or ()}
    for start, end in zip(old, new, strict=False):
        for name, reason in (("power", "power limit"), ("thermal", "heat")):
            if _rise(start, end, f"{name}_violation_ns"):
                held.add(reason)
    slowing = sorted(held & {*SLOWING, "heat"})
    if slowing:
        yield f"the GPU's clock was held down: {', '.join(slowing)}"
    others = max((gpu.get("other_processes") or 0 for gpu in (*old, *new)), default=0)
    if others:
        noun = "process" if others == 1 else "processes"
        yield f"{others} other {noun} computed on the GPU"


def _stolen(before: State, after: State) -> Iterator[str]:
    """Of the time in which a CPU was wanted, not of all time: most CPUs may have been idle."""
    busy, stolen = (_rise(before, after, f"cpu_{name}_s") for name in ("busy", "steal"))
    if busy > _LEAST_WINDOW_S and stolen > _STEAL_SHARE * busy:
        yield (
            f"the host of this virtual machine kept {stolen / busy:.0%} of the CPU time for others"
        )


def _others(before: State, after: State) -> Iterator[str]:
    passed = _rise(before, after, "monotonic_s")
    if passed <= _LEAST_WINDOW_S:
        return
    busy: Sequence[State] = after.get("foreign_processes") or ()
    named = [
        f"{process['name']} ({process['cpu_s'] / passed:.1f} cores)"
        for process in busy
        if process["cpu_s"] >= _NOTABLE_CORES * passed
    ]
    if named:
        yield f"others were busy meanwhile: {', '.join(named)}"
    waited = _rise(before, after, "cpu_pressure_us") / 1e6
    if waited > _WAITING_SHARE * passed:
        yield f"tasks had to wait for a CPU in {min(1.0, waited / passed):.0%} of the time"


def _swapped(before: State, after: State) -> Iterator[str]:
    swapped = _rise(before, after, "swap_used_bytes")
    if swapped > _SWAPPED_BYTES:
        yield f"{swapped / 1e6:.0f} MB of memory were swapped out meanwhile"


def _times(count: float) -> str:
    return "once" if count == 1 else f"{count:.0f} times"
