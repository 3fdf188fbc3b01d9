"""Whether a latency may be believed: stable, unstable or inconclusive, with the reason in words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scunext_edge.benchmarks.intervals import CONFIDENCE, estimate, t_quantile
from scunext_edge.benchmarks.records import Record
from scunext_edge.results import Stability

MAX_CV = 0.05  # of the medians of the processes
FEWEST_PROCESSES = 5
_DRIFT = 0.05  # a drift below this share is let pass, however certain


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``reasons`` say what is wrong, or for a stable row what it rests on."""

    result: Stability
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The first case again after all others, by what it was; ``limit`` is on the same scale."""

    case: str
    ratio: float
    limit: float

    @property
    def found(self) -> bool:
        """Whether the machine became slower or faster while the cases were measured."""
        return abs(math.log(self.ratio)) > math.log(self.limit)

    def __str__(self) -> str:
        word = "slower" if self.ratio > 1 else "faster"
        return (
            f"the machine drifted: {self.case}, measured first, was {abs(self.ratio - 1):.0%} "
            f"{word} when measured again at the end"
        )


def drift_of(case: str, record: Record) -> Drift | None:
    """From a record with a control; the limit is what one more process may differ by anyway.

    That is the prediction interval of a further process by Student's t on the logarithm of the
    medians, and 5 % at least.
    """
    medians = _log_medians(record)
    if record.control is None or len(medians) < 2:
        return None
    again = math.log(max(1.0, statistics.median(record.control.values_ns)))
    count = len(medians)
    reach = t_quantile((1 + CONFIDENCE) / 2, count - 1) * statistics.stdev(medians)
    return Drift(
        case=case,
        ratio=math.exp(again - statistics.fmean(medians)),
        limit=math.exp(max(math.log1p(_DRIFT), reach * math.sqrt(1 + 1 / count))),
    )


def judge(record: Record, *, max_cv: float = MAX_CV, drift: Drift | None = None) -> Verdict | None:
    """Null before the first run, and for a soak, which is one process and judged by its windows.

    ``drift``: of the call that the record was made in.
    """
    if not record.runs or record.plan.scenario == "soak":
        return None
    unstable = [*_scattered(record, max_cv), *_slipping(record)]
    if drift is not None and drift.found:
        unstable.append(str(drift))
    if unstable:
        return Verdict(result="unstable", reasons=tuple(unstable))
    unclear = list(_unclear(record, max_cv))
    if unclear:
        return Verdict(result="inconclusive", reasons=tuple(unclear))
    low, high = _off(record)
    return Verdict(
        result="stable",
        reasons=(
            f"{len(record.runs)} processes; with {CONFIDENCE:.0%} confidence p50 lies within "
            f"{low:+.1%} and {high:+.1%} of the figure",
        ),
    )


def _scattered(record: Record, max_cv: float) -> Iterator[str]:
    """The coefficient of variation of the medians; two say too little about it."""
    medians = [statistics.median(run.values_ns) for run in record.runs]
    if len(medians) < 3:
        return
    cv = statistics.stdev(medians) / statistics.fmean(medians)
    if cv > max_cv:
        yield f"the medians of the processes scatter by {cv:.1%} (at most {max_cv:.1%})"


def _slipping(record: Record) -> Iterator[str]:
    """Halves that differ in most processes."""
    ratios = [
        statistics.median(values[half:]) / max(1, statistics.median(values[:half]))
        for run in record.runs
        if (half := len(values := run.values_ns) // 2) >= 1
    ]
    if ratios and abs(change := statistics.median(ratios) - 1) > _DRIFT:
        yield f"within a process the second half is {change:+.0%} off the first"


def _unclear(record: Record, max_cv: float) -> Iterator[str]:
    count = len(record.runs)
    if count < FEWEST_PROCESSES:
        noun = "process" if count == 1 else "processes"
        yield f"{count} {noun}; {FEWEST_PROCESSES} are needed to know how they differ"
        return
    low, high = _off(record)
    if max(-low, high) > max_cv:
        yield f"p50 is known to {low:+.1%} and {high:+.1%} only (at most {max_cv:.1%})"


def _off(record: Record) -> tuple[float, float]:
    """The ends of p50's interval, relative to p50."""
    found = estimate([run.values_ns for run in record.runs], (50,))[50]
    ends = found.interval()
    assert ends is not None, "judged with one process"
    return ends[0] / found.value - 1, ends[1] / found.value - 1


def _log_medians(record: Record) -> Sequence[float]:
    return [math.log(max(1.0, statistics.median(run.values_ns))) for run in record.runs]
