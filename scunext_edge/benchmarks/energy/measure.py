"""Two windows of energy: idling, then working without a pause."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from scunext_edge.benchmarks.energy.records import Energy, Unreadable
from scunext_edge.benchmarks.energy.sources import Clock, Source

_WARMUP = 3
_LEAST_CALLS = 3


def measure_energy(
    call: Callable[[], object],
    *,
    images: int,
    source: Source | Unreadable,
    duration_s: float = 10.0,
    idle_s: float = 5.0,
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Energy | Unreadable:
    """Energy of ``call``, which does the work of ``images`` images.

    Idle power is taken first, with everything loaded and nothing running, as a device waits for a
    patient; then some calls warm up; then calls follow each other for ``duration_s``, three at
    least. A source that cannot be read is handed back, and ``call`` is not made.
    """
    if isinstance(source, Unreadable):
        return source
    try:
        idle_s, idle = _window(source, clock, lambda: sleep(idle_s))
        for _ in range(_WARMUP):
            call()
        calls = 0
        sampled = source.samples()

        def work() -> None:
            nonlocal calls
            end = clock() + duration_s
            while calls < _LEAST_CALLS or clock() < end:
                call()
                calls += 1

        seconds, rails = _window(source, clock, work)
    except OSError as error:
        return Unreadable(reason=f"{source.name} stopped answering: {error.strerror or error}")
    if rails.keys() != idle.keys() or not rails:
        return Unreadable(reason=f"{source.name} did not tell the same rails all the time")
    now = source.samples()
    return Energy(
        source=source.name,
        rails_uj=rails,
        idle_rails_uj=idle,
        total_of=source.total_of,
        seconds=seconds,
        idle_seconds=idle_s,
        calls=calls,
        images=calls * images,
        samples=None if now is None or sampled is None else now - sampled,
    )


def _window(
    source: Source, clock: Clock, work: Callable[[], None]
) -> tuple[float, Mapping[str, float]]:
    """Seconds of ``work``, and what every rail took meanwhile."""
    before, start = source.read(), clock()
    work()
    after, end = source.read(), clock()
    return end - start, {rail: uj - before[rail] for rail, uj in after.items() if rail in before}
