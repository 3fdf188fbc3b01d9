"""The rule by which one row is chosen. docs/measuring.md states it in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scunext_edge.benchmarks.intervals import CONFIDENCE, Estimate, Ratio, ratio, t_quantile
from scunext_edge.report import accuracy, numbers
from scunext_edge.report.comparable import compare_conditions
from scunext_edge.report.naming import full_name
from scunext_edge.report.records import Run
from scunext_edge.results import Latency, Row

MIN_EFFECT = 0.03  # a smaller difference of speed decides nothing, however certain


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A row that was timed and could not be chosen, and which step of the rule says so."""

    row: Row
    step: str  # conditions, gate, network, stability, interval
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the rule comes to; without ``row`` no row was left, and ``left_out`` says why."""

    row: Row | None = None
    runner_up: Row | None = None
    tied_with: Sequence[Row] = field(default_factory=tuple)  # by speed not told apart from it
    tie_break: str | None = None
    candidates: Sequence[Row] = field(default_factory=tuple)
    left_out: Sequence[LeftOut] = field(default_factory=tuple)


def choose(run: Run) -> Choice:
    """Apply the rule: conditions, gate, network, stability, speed, and then the tie-breaks."""
    comparison = compare_conditions(run)
    left = [LeftOut(row=it.row, step="conditions", reason=it.reason) for it in comparison.apart]
    rows = list(comparison.rows)
    best = accuracy.most_accurate(run.rows)
    refusals: dict[str, Callable[[Row], str | None]] = {
        "gate": _refused_by_gate,
        "network": lambda row: _less_accurate(run, row, best),
        "stability": _unstable,
        "interval": _without_interval,
    }
    for step, refusal in refusals.items():
        reasons = [(row, refusal(row)) for row in rows]
        left += [LeftOut(row=row, step=step, reason=why) for row, why in reasons if why]
        rows = [row for row, why in reasons if not why]
    if not rows:
        return Choice(left_out=left)
    return _decided(rows, run, left)


def how_many_times(slower: Row, faster: Row) -> Ratio | None:
    """p50 of one by that of the other; null where one of them has no interval."""
    ends = [_estimate(row.latency_ms) if row.latency_ms else None for row in (slower, faster)]
    return ratio(ends[0], ends[1]) if ends[0] and ends[1] else None


def told_apart(slower: Row, faster: Row) -> bool:
    """Whether the interval of the ratio excludes 1, and the difference is worth a word."""
    found = how_many_times(slower, faster)
    return bool(found and found.interval()[0] > 1 and found.value >= 1 + MIN_EFFECT)


def _decided(rows: Sequence[Row], run: Run, left: Sequence[LeftOut]) -> Choice:
    by_speed = sorted(rows, key=_upper)
    leader = by_speed[0]
    tied = [row for row in by_speed if row is leader or not told_apart(row, leader)]
    chosen = max(tied, key=lambda row: [merit for _, merit, _ in _merits(row, run.rows)])
    others = [row for row in by_speed if row is not chosen]
    tied_with = [row for row in tied if row is not chosen]
    return Choice(
        row=chosen,
        runner_up=others[0] if others else None,
        tied_with=tied_with,
        tie_break=_tie_break(chosen, tied_with[0], run.rows) if tied_with else None,
        candidates=by_speed,
        left_out=left,
    )


def _merits(row: Row, rows: Sequence[Row]) -> list[tuple[str, float, str]]:
    """What decides between rows that are as fast: name, more is better, and the value in words."""
    floor, upper = accuracy.dice_floor(row, rows), _upper(row)
    memory, size = row.memory_mb, row.size_bytes
    return [
        ("the higher bound of Dice", *_merit(floor and round(floor, 3), numbers.score, sign=1)),
        ("the smaller memory", *_merit(memory and round(memory), _megabytes)),
        ("the smaller size", *_merit(size, numbers.size)),
        ("the lower upper end of p50", *_merit(upper, lambda value: f"{value:.3g} ms")),
    ]


def _merit(
    value: float | None, text: Callable[[float], str], *, sign: int = -1
) -> tuple[float, str]:
    """What was not measured cannot speak for a row."""
    return (-math.inf, "not known") if value is None else (sign * value, text(value))


def _megabytes(value: float) -> str:
    return f"{value:.0f} MB"


def _tie_break(chosen: Row, other: Row, rows: Sequence[Row]) -> str | None:
    for (name, mine, words), (_, theirs, others) in zip(
        _merits(chosen, rows), _merits(other, rows), strict=True
    ):
        if mine != theirs:
            return f"{name} ({words} against {others})"
    return None


def _refused_by_gate(row: Row) -> str | None:
    if row.gate == "failed":
        return "did not pass the accuracy gate"
    return None if row.gate else "was not scored"


def _less_accurate(run: Run, row: Row, best: Row | None) -> str | None:
    """The gate once more, against the most accurate network of the run."""
    if best is None or (row.model, row.input_size) == (best.model, best.input_size):
        return None
    found, limit = accuracy.loss(run, row, against=best), accuracy.limit(run)
    if found is None:
        return f"has no scores per image to be compared with {full_name(best)}"
    if found.upper <= limit:
        return None
    word = "lower" if found.mean > 0 else "higher"
    return (
        f"its mean Dice is {numbers.drop(abs(found.mean))} {word} than that of "
        f"{full_name(best)}, and may be {numbers.drop(found.upper)} lower, more than the "
        f"{limit:g} that the gate allows"
    )


def _unstable(row: Row) -> str | None:
    if row.stability != "unstable":
        return None
    return f"its latency is unstable: {'; '.join(row.stability_reasons) or 'no reason was stored'}"


def _without_interval(row: Row) -> str | None:
    known = row.latency_ms is not None and row.latency_ms.median_interval is not None
    return None if known else "its p50 has no interval: more than one process is needed"


def _upper(row: Row) -> float:
    assert row.latency_ms is not None
    assert row.latency_ms.median_interval is not None
    return row.latency_ms.median_interval[1]


def _estimate(latency: Latency) -> Estimate | None:
    """The estimate that an interval was made from."""
    if latency.median_interval is None or latency.processes < 2:
        return None
    low, high = latency.median_interval
    freedom = latency.processes - 1
    reach = t_quantile((1 + CONFIDENCE) / 2, freedom)
    error = math.log(high / low) / 2 / reach
    return Estimate(value=math.sqrt(low * high), error=error, freedom=freedom)
