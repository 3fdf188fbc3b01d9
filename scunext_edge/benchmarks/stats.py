"""Summaries of raw nanoseconds, and reasons in words not to believe them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scunext_edge.benchmarks import energy, passport
from scunext_edge.benchmarks.energy import Energy
from scunext_edge.benchmarks.intervals import Estimate, estimate, upper_bound
from scunext_edge.benchmarks.measure import BACK_TO_BACK
from scunext_edge.benchmarks.records import Record, Run
from scunext_edge.results import Latency

# What docs/measuring.md asks of a number that is to be published.
ENOUGH_PROCESSES = 5
ENOUGH_VALUES_EACH = 200
ENOUGH_VALUES_FOR_P99 = 1000

_NOTABLE = 0.05  # a scatter, drift or disagreement beyond this share of the median is said
_FOREIGN_CORES = 0.2  # other processes may use this many cores unmentioned
_HARNESS_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of values in their own unit; ``mad`` is the median absolute deviation, unscaled."""

    median: float
    mad: float
    p90: float
    p99: float
    count: int
    minimum: float
    maximum: float
    mean: float


def summarize(values: Sequence[float]) -> Summary:
    """Summarize at least one value; percentiles interpolate linearly between neighbours."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError("nothing to summarize")
    median = float(np.median(array))
    p90, p99 = (float(value) for value in np.percentile(array, (90, 99)))
    return Summary(
        median=median,
        mad=float(np.median(np.abs(array - median))),
        p90=p90,
        p99=p99,
        count=int(array.size),
        minimum=float(array.min()),
        maximum=float(array.max()),
        mean=float(array.mean()),
    )


def latency(record: Record) -> Latency | None:
    """Milliseconds per call over all values of all processes; null before the first run."""
    values = _all_values(record.runs)
    if not values:
        return None
    summary = summarize([value / 1e6 for value in values])
    found = estimate([run.values_ns for run in record.runs], (50, 90, 99))
    bound = upper_bound(values, 99)
    return Latency(
        region=record.region,
        median=summary.median,
        mad=summary.mad,
        p90=summary.p90,
        p99=summary.p99,
        n=summary.count,
        processes=len(record.runs),
        median_interval=_interval_ms(found[50]),
        p90_interval=_interval_ms(found[90]),
        p99_interval=_interval_ms(found[99]) if bound is not None else None,
        p99_bound=None if bound is None else bound / 1e6,
    )


def memory_mb(record: Record) -> float | None:
    """Peak resident set over the imports, in megabytes of 10^6 bytes; null: not measured."""
    if record.memory is None:
        return None
    return (record.memory.peak_bytes - record.memory.baseline_bytes) / 1e6


def cold_start_ms(record: Record) -> float | None:
    """Median of the totals; null: not measured."""
    if not record.cold:
        return None
    return statistics.median(start.total_ms for start in record.cold)


def energy_mj(record: Record) -> float | None:
    """Millijoules per image, idling included; null: not measured, or no rail is known to be it."""
    return record.energy.mj_per_image if isinstance(record.energy, Energy) else None


def images_per_s(record: Record) -> float | None:
    """Of an offline record: all images of all processes by all their time; else null."""
    if record.plan.scenario != "offline" or not record.runs:
        return None
    values = _all_values(record.runs)
    return record.subject.batch * len(values) / (sum(values) / 1e9)


def doubts(record: Record) -> list[str]:
    """Reasons not to trust this record's numbers, in words fit for a report."""
    if not record.runs:
        return []
    if len(_all_values(record.runs)) < 2:
        return ["a single value says nothing about spread"]
    return [
        *_too_few(record),
        *_scatter(record.runs),
        *_disagreement(record.runs),
        *_cold_start(record.runs),
        *_drift(record.runs),
        *_harness(record.runs),
        *_incidents(record.runs),
        *_governor(record.runs),
        *(energy.doubts(record.energy) if isinstance(record.energy, Energy) else ()),
    ]


def _interval_ms(found: Estimate) -> tuple[float, float] | None:
    ends = found.interval()
    return None if ends is None else (ends[0] / 1e6, ends[1] / 1e6)


def _too_few(record: Record) -> Iterator[str]:
    counts = [len(run.values_ns) for run in record.runs]
    if len(counts) < ENOUGH_PROCESSES:
        yield f"{_many(len(counts), 'process', 'es')}; a publishable number has {ENOUGH_PROCESSES}"
    planned = record.plan.values
    if record.plan.scenario not in BACK_TO_BACK:
        pass  # no budget saves on values there, and minutes may lie between two of them
    elif min(counts) < planned:
        yield f"the time budget allowed {min(counts)} of {planned} values per process"
    elif min(counts) < ENOUGH_VALUES_EACH:
        yield f"{min(counts)} values per process; a publishable number has {ENOUGH_VALUES_EACH}"
    total = sum(counts)
    if total < ENOUGH_VALUES_FOR_P99:
        slowest = _many(max(1, total // 100), "value")
        yield f"p99 rests on the slowest {slowest} of {total}"


def _scatter(runs: Sequence[Run]) -> Iterator[str]:
    summary = summarize(_all_values(runs))
    if summary.mad > _NOTABLE * summary.median:
        yield f"values scatter by {summary.mad / summary.median:.0%} of their median"


def _disagreement(runs: Sequence[Run]) -> Iterator[str]:
    medians = [statistics.median(run.values_ns) for run in runs]
    spread = (max(medians) - min(medians)) / statistics.median(medians)
    if spread > _NOTABLE:
        yield f"the medians of the processes lie {spread:.0%} apart"


def _cold_start(runs: Sequence[Run]) -> Iterator[str]:
    """The first tenth against the rest; the median over processes forgives one hiccup."""
    excess = statistics.median(
        _ratio(run.values_ns, max(1, len(run.values_ns) // 10)) for run in runs
    )
    if excess < 1 / (1 + 2 * _NOTABLE):
        yield f"the first values are {1 / excess - 1:.0%} slower: warm-up was not finished"


def _drift(runs: Sequence[Run]) -> Iterator[str]:
    drift = statistics.median(_ratio(run.values_ns, len(run.values_ns) // 2) for run in runs) - 1
    if abs(drift) > _NOTABLE:
        yield f"the second half is {drift:+.0%} off the first: warm-up or throttling"


def _harness(runs: Sequence[Run]) -> Iterator[str]:
    share = max(run.harness_ns / max(1.0, statistics.median(run.values_ns)) for run in runs)
    if share > _HARNESS_SHARE:
        yield f"so short that taking the time is {share:.0%} of a value"


def _incidents(runs: Sequence[Run]) -> Iterator[str]:
    """What the passport says of each process; the like of it is said once, of the first."""
    said: dict[str, str] = {}
    for run in runs:
        for sentence in passport.doubts(run.environment):
            said.setdefault(re.split(r"[:(\d]", sentence)[0], sentence)
    yield from said.values()
    if not any(sentence.startswith("others were busy") for sentence in said.values()):
        yield from _elsewhere(runs)


def _elsewhere(runs: Sequence[Run]) -> Iterator[str]:
    """Busy time of the machine between before and after, without our own process.

    Many short processes add up to it, none of which is worth a name.
    """
    known = [cores for run in runs if (cores := _foreign_cores(run)) is not None]
    if known and max(known) > _FOREIGN_CORES:
        yield f"other processes kept up to {max(known):.1f} cores busy meanwhile"


def _governor(runs: Sequence[Run]) -> Iterator[str]:
    governor = runs[0].environment.get("machine", {}).get("governor")
    if governor not in {None, "performance"}:
        yield f"the clock governor is {governor!r}: the clock may follow the load"


def _foreign_cores(run: Run) -> float | None:
    before, after = run.environment.get("before", {}), run.environment.get("after", {})
    spent = []
    for name in ("monotonic_s", "cpu_busy_s", "own_cpu_s"):
        start, end = before.get(name), after.get(name)
        if start is None or end is None:
            return None
        spent.append(float(end) - float(start))
    passed, busy, own = spent
    # The kernel counts in hundredths of a second: a shorter window would be mostly rounding.
    return max(0.0, busy - own) / passed if passed > 0.2 else None


def _ratio(values: Sequence[int], split: int) -> float:
    """Median of what comes after ``split`` over the median of what comes before."""
    if split < 1:
        return 1.0
    return statistics.median(values[split:]) / max(1, statistics.median(values[:split]))


def _all_values(runs: Sequence[Run]) -> list[int]:
    return [value for run in runs for value in run.values_ns]


def _many(count: int, noun: str, ending: str = "s") -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{ending}"
