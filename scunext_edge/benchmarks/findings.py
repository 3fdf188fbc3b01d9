"""What a scenario was measured for, in words fit for a report."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from scunext_edge.benchmarks.energy import Energy, Unreadable, per_patient_mj
from scunext_edge.benchmarks.growth import FEWEST, growth
from scunext_edge.benchmarks.measure import Soak
from scunext_edge.benchmarks.records import Record, Run
from scunext_edge.benchmarks.stats import cold_start_ms, images_per_s

_SETTLING = 0.1  # of a soak: pools of allocators still fill, which is no growth


def findings(record: Record) -> Iterator[str]:
    """Sentences without a full stop; none of a single stream without cold starts."""
    plan = record.plan
    if (rate := images_per_s(record)) is not None:
        yield f"{rate:.4g} images/s, {record.subject.batch} in a call"
    if record.runs and plan.interval_s is not None:
        yield from _idle(record.runs, plan.interval_s)
    if record.runs and plan.burst is not None:
        yield _burst(record.runs, plan.burst)
    for run in record.runs:
        if run.soak is not None:
            yield from _soak(run.soak)
    if record.unfinished is not None:
        yield f"ended before its time, after {_minutes(record.unfinished)} min"
        yield from _soak(record.unfinished)
    if record.cold:
        yield _cold(record)
    if isinstance(record.energy, Energy):
        yield from _energy(record.energy, plan.interval_s)
    elif isinstance(record.energy, Unreadable):
        yield f"energy is not known: {record.energy.reason}"


def _idle(runs: Sequence[Run], interval_s: float) -> Iterator[str]:
    size = runs[0].evicted_bytes
    emptied = f", caches emptied with {size / 1e6:.0f} MB before" if size else ""
    yield f"an arrival every {interval_s:g} s, from idle{emptied}"


def _burst(runs: Sequence[Run], images: int) -> str:
    ends = [ends for run in runs for ends in run.masks_ns]
    first, last = (statistics.median(each[at] for each in ends) / 1e6 for at in (0, -1))
    return f"of {images} images at once, the first took {first:.3g} ms and all took {last:.3g} ms"


def _soak(soak: Soak) -> Iterator[str]:
    """The 95th percentile when warm, and whether memory grows."""
    p95_ms = [window.p95_ns / 1e6 for window in soak.windows]
    late = p95_ms[len(p95_ms) // 2 :]
    yield (
        f"p95 of {soak.window_s:.3g} s: {statistics.median(late):.3g} ms in the second half "
        f"(at most {max(late):.3g}), {p95_ms[0]:.3g} ms at first; {_minutes(soak)} min in all"
    )
    known = [
        (window.start_s, statistics.median(window.resident_bytes))
        for window in soak.windows[int(len(soak.windows) * _SETTLING) :]
        if window.resident_bytes
    ]
    found = growth([at for at, _ in known], [size for _, size in known])
    yield str(found or f"too short to tell whether memory grows: {len(known)} of {FEWEST} windows")


def _cold(record: Record) -> str:
    parts = {
        name: statistics.median(getattr(start, f"{name}_ms") for start in record.cold)
        for name in ("interpreter", "import", "load", "first_run")
    }
    told = ", ".join(f"{name.replace('_', ' ')} {part:.3g}" for name, part in parts.items())
    caches = " or ".join(sorted({start.page_cache for start in record.cold}))
    return (
        f"{cold_start_ms(record):.3g} ms from the start of a process to its first mask ({told}; "
        f"files in the system's cache: {caches})"
    )


def _energy(energy: Energy, interval_s: float | None) -> Iterator[str]:
    image, over_idle = energy.mj_per_image, energy.mj_per_image_over_idle
    if image is None or over_idle is None:
        return
    rails = " + ".join(energy.total_of or ())
    yield (
        f"{image:.3g} mJ per image, {over_idle:.3g} of them over idling ({energy.source}: {rails})"
    )
    if interval_s is not None:
        patient = per_patient_mj(energy, interval_s=interval_s)
        yield f"{patient:.3g} mJ per patient, one every {interval_s:g} s"


def _minutes(soak: Soak) -> str:
    last = soak.windows[-1].start_s + soak.window_s if soak.windows else 0.0
    return f"{last / 60:.3g}"
