"""Whether one run is faster than another: a ratio with its interval, or that it cannot be said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scunext_edge.benchmarks.intervals import CONFIDENCE, Ratio, estimate, ratio
from scunext_edge.benchmarks.records import Record, Subject
from scunext_edge.errors import ConfigError

MIN_EFFECT = 0.03
# pytest-benchmark's columns that a latency has, and the unit of its plain numbers: seconds
STATISTICS = ("min", "max", "mean", "median", "p90", "p99")
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}

Answer = Literal["faster", "slower", "no difference", "inconclusive", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """B against A: ``ratio`` is p50 of B by p50 of A, so above 1 is slower."""

    answer: Answer
    reasons: tuple[str, ...]
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """As pytest-benchmark has them: ``median:10%``, or ``median:0.5ms`` of absolute growth."""

    statistic: str
    share: float | None = None
    seconds: float | None = None

    def exceeded(self, a: Record, b: Record) -> str | None:
        """In words, by how much B lies over A; null: within the threshold."""
        before, after = (_statistic(self.statistic, it) for it in (a, b))
        grown = after - before
        limit = before * self.share if self.share is not None else (self.seconds or 0.0) * 1e9
        if grown <= limit:
            return None
        return (
            f"{self.statistic} grew by {grown / before:.1%}, from {before / 1e6:.4g} to "
            f"{after / 1e6:.4g} ms: over the threshold {self}"
        )

    def __str__(self) -> str:
        of = f"{self.share:.6%}" if self.share is not None else f"{self.seconds or 0:f}"
        amount = of.rstrip("%").rstrip("0").rstrip(".") + ("%" if of.endswith("%") else "s")
        return f"{self.statistic}:{amount}"


def threshold(text: str) -> Threshold:
    """Read ``STATISTIC:NUMBER%``, ``STATISTIC:NUMBER`` (seconds) or with ``s``, ``ms``, ``us``."""
    found = re.fullmatch(r"(\w+):(\d+(?:\.\d*)?|\.\d+)(%|s|ms|us)?", text.strip())
    if found is None or found[1] not in STATISTICS:
        raise ConfigError(
            f"{text!r} is no threshold",
            hint=f"e.g. median:10% or p99:0.5ms; statistics are {', '.join(STATISTICS)}",
        )
    statistic, number, unit = found[1], float(found[2]), found[3]
    if unit == "%":
        return Threshold(statistic=statistic, share=number / 100)
    return Threshold(statistic=statistic, seconds=number * _SECONDS[unit or "s"])


def compare(
    a: Record,
    b: Record,
    *,
    min_effect: float = MIN_EFFECT,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Judge B against A by the medians of all their values.

    Slower or faster: the interval of the ratio excludes 1, and the ratio itself lies beyond
    ``min_effect``. No difference: two one-sided tests (Schuirmann 1987) show with ``confidence``
    that the ratio lies within ``min_effect`` on both sides. Otherwise inconclusive.
    """
    if not 0 < min_effect < 1:
        raise ConfigError(
            f"an effect of {min_effect:g} is no share", hint="--min-effect is e.g. 0.03 for 3 %"
        )
    if not a.runs or not b.runs:
        return Comparison(answer="refused", reasons=("one of the runs holds no values of it",))
    estimates = [estimate([run.values_ns for run in it.runs], (50,))[50] for it in (b, a)]
    found = ratio(*estimates)
    if found is None:
        return Comparison(
            answer="inconclusive",
            reasons=("a single process says nothing about others: measure 5",),
            ratio=estimates[0].value / estimates[1].value,
        )
    answer, reason = _answer(found, min_effect, confidence)
    low, high = found.interval(confidence)
    return Comparison(answer=answer, reasons=(reason,), ratio=found.value, low=low, high=high)


def not_comparable(a: Record, b: Record) -> list[str]:
    """What was measured differently on purpose; such rows answer different questions."""
    found = [
        f"{name.replace('_', ' ')}: {_plain(before)} and {_plain(after)}"
        for name in ("device", "threads", "cpus", "input_shape", "batch", "precision_ran")
        if (before := getattr(a.subject, name)) != (after := getattr(b.subject, name))
    ]
    plans = [
        (name, getattr(a.plan, name, None), getattr(b.plan, name, None))
        for name in ("region", "scenario", "interval_s", "burst")
    ]
    return found + [f"{name}: {one} and {two}" for name, one, two in plans if one != two]


def changes(a: Subject, b: Subject) -> list[str]:
    """What may be the reason of a difference, and is no reason to refuse."""
    found = []
    if a.artifact_id != b.artifact_id:
        found.append(f"another artifact: {a.artifact_id} and {b.artifact_id}")
    if a.backend_version != b.backend_version:
        found.append(f"{a.backend} {a.backend_version} and {b.backend_version}")
    return found


def _answer(found: Ratio, min_effect: float, confidence: float) -> tuple[Answer, str]:
    low, high = found.interval(confidence)
    beyond = found.value > 1 + min_effect or found.value < 1 / (1 + min_effect)
    span = f"{found.value:.3f} times ({low:.3f} to {high:.3f})"
    if beyond and not low <= 1 <= high:
        return ("slower", span) if found.value > 1 else ("faster", span)
    # A one-sided test at the same confidence on each side is an interval of 2c - 1.
    inner_low, inner_high = found.interval(2 * confidence - 1)
    if 1 / (1 + min_effect) < inner_low and inner_high < 1 + min_effect:
        return "no difference", f"{span}: within {min_effect:.0%}"
    if beyond:
        return "inconclusive", f"{span}: the interval still holds 1"
    return "inconclusive", f"{span}: neither 1 nor an effect of {min_effect:.0%} can be ruled out"


def _statistic(name: str, record: Record) -> float:
    """Nanoseconds over all values of all processes."""
    values = np.array([value for run in record.runs for value in run.values_ns], dtype=np.float64)
    if name in {"p90", "p99"}:
        return float(np.percentile(values, int(name[1:])))
    return float(getattr(np, name)(values))


def _plain(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " x ".join(map(str, value)) or "none"
    return str(value)
