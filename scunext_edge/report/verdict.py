"""What the numbers come to, in plain words: what passed, what is fastest, what to doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scunext_edge.report import numbers
from scunext_edge.report.comparable import compare_conditions
from scunext_edge.report.naming import baseline_of, by_model, full_name, models_of
from scunext_edge.report.recommendation import Recommendation, recommend
from scunext_edge.report.records import Run
from scunext_edge.results import Latency, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A headline and the sentences that explain it; the rows that they are about."""

    recommendation: Recommendation
    headline: str
    sentences: Sequence[str]  # what came out
    remarks: Sequence[str]  # what was refused, left out or is doubtful
    best: Row | None = None  # the recommended row; without one, the fastest that passed
    baseline: Row | None = None  # FP32 that the best may be compared with
    speedup: float | None = None

    @property
    def text(self) -> str:
        """The recommendation, then the headline and the sentences, a line each."""
        return "\n".join((self.recommendation.text, "", f"{self.headline}.", *self.sentences))


def judge(run: Run) -> Verdict:
    """Read the rows of a run as a careful person would."""
    recommendation = recommend(run)
    ranked = compare_conditions(run).rows
    gated = [row for row in run.rows if row.gate in ("passed", "failed")]
    passed = [row for row in ranked if row.gate == "passed"]
    best = recommendation.row or _fastest(passed)
    if not gated:
        return _without_gate(run, recommendation, ranked)
    baseline = baseline_of(best, run.rows) if best else None
    return Verdict(
        recommendation=recommendation,
        headline=_headline(gated),
        sentences=[
            *(_about(best, baseline, recommendation) if best else []),
            *_other_models(best, passed),
            *_reference_is_faster(best, ranked),
        ],
        remarks=[
            *_passed(gated),
            *_failed(gated),
            *_not_gated(run.rows),
            *_remarks(best, run.rows),
        ],
        best=best,
        baseline=baseline,
        speedup=speedup(best, baseline),
    )


def speedup(row: Row | None, baseline: Row | None) -> float | None:
    """How many times as fast ``row`` is; None unless both were measured in the same way."""
    if row is None or baseline is None or not row.latency_ms or not baseline.latency_ms:
        return None
    alike = row.latency_ms.region == baseline.latency_ms.region and (
        row.device,
        row.threads,
        row.input_size,
        row.scenario,
    ) == (baseline.device, baseline.threads, baseline.input_size, baseline.scenario)
    return baseline.latency_ms.median / row.latency_ms.median if alike else None


def _without_gate(run: Run, recommendation: Recommendation, ranked: Sequence[Row]) -> Verdict:
    headline = "Nothing was measured"
    sentences = []
    if any(row.latency_ms for row in run.rows):
        headline = "Speed only: the accuracy gate was not applied to any row"
        sentences.append(
            "No row was compared with an FP32 reference on images, so nothing here has been "
            "shown to be safe to deploy."
        )
    if fastest := _fastest(ranked):
        sentences.append(f"The fastest row is {_timed(fastest)}.")
    return Verdict(
        recommendation=recommendation,
        headline=headline,
        sentences=sentences,
        remarks=_remarks(fastest, run.rows),
        best=recommendation.row,
    )


def _remarks(fastest: Row | None, rows: Sequence[Row]) -> list[str]:
    return [*_ran_otherwise(rows), *_not_run(rows), *_doubtful(fastest, rows)]


def _headline(gated: Sequence[Row]) -> str:
    passed = sum(row.gate == "passed" for row in gated)
    if len(gated) == 1:
        word = "passed" if passed else "did not pass"
        return f"The one row that was compared with FP32 {word} the accuracy gate"
    if passed == len(gated):
        return f"All {len(gated)} rows that were compared with FP32 passed the accuracy gate"
    count = f"{passed} of {len(gated)} rows" if passed else f"None of {len(gated)} rows"
    return f"{count} passed the accuracy gate"


def _about(best: Row, baseline: Row | None, recommendation: Recommendation) -> list[str]:
    """What the recommendation does not say of the row: against FP32, and the image it lost on."""
    sentences = []
    relative = _relative(best, baseline)
    if recommendation.row is None:
        sentences.append(f"The fastest that passed is {_timed(best)}{relative}.")
    elif relative:
        sentences.append(f"{full_name(best)} took {_milliseconds(best)} (median ± MAD){relative}.")
    if best.worst_image and best.dice_drop is not None and float(numbers.drop(abs(best.dice_drop))):
        sentences.append(f"The image on which it lost most is {best.worst_image}.")
    return sentences


def _relative(fastest: Row, baseline: Row | None) -> str:
    if baseline is None or baseline.latency_ms is None:
        return ""
    factor = speedup(fastest, baseline)
    if factor is None:
        return (
            f"; {full_name(baseline)} took {_span(baseline.latency_ms)}, but was not measured "
            "in the same way, so no ratio is given"
        )
    if numbers.ratio(factor) == "1.0":
        return f", no faster than {full_name(baseline)} ({_span(baseline.latency_ms)})"
    word = "times as fast as"
    return f", {numbers.ratio(factor)} {word} {full_name(baseline)} ({_span(baseline.latency_ms)})"


def _other_models(fastest: Row | None, passed: Sequence[Row]) -> list[str]:
    sentences = []
    for model in models_of(passed):
        best = _fastest([row for row in passed if row.model == model])
        if best and fastest and model != fastest.model:
            dice = f", mean Dice {numbers.score(best.dice)}" if best.dice is not None else ""
            timed = f"{full_name(best)}, at {_milliseconds(best)}"
            sentences.append(f"Of {model}, the fastest that passed is {timed}{dice}.")
    return sentences


def _reference_is_faster(fastest: Row | None, rows: Sequence[Row]) -> list[str]:
    """An FP32 reference that outruns everything that passed must not go unsaid."""
    rival = _fastest([row for row in rows if row.gate == "reference"])
    if not fastest or not rival or not fastest.latency_ms or not rival.latency_ms:
        return []
    if rival.latency_ms.median >= fastest.latency_ms.median:
        return []
    return [f"The FP32 reference {_timed(rival)} is faster still."]


def _passed(gated: Sequence[Row]) -> list[str]:
    passed = [row for row in gated if row.gate == "passed"]
    return [f"Passed: {by_model(passed)}."] if passed else []


def _failed(gated: Sequence[Row]) -> list[str]:
    refused = [row for row in gated if row.gate == "failed"]
    return [f"Did not pass, not to be deployed: {by_model(refused)}."] if refused else []


def _ran_otherwise(rows: Sequence[Row]) -> list[str]:
    """Rows of which the engine says that it executed another precision than was asked for."""
    return [
        f"{full_name(row)} was executed as {row.precision_ran.upper()}, says the engine."
        for row in rows
        if row.status == "ok" and row.precision_ran and row.precision_ran != row.precision
    ]


def _not_gated(rows: Sequence[Row]) -> list[str]:
    names = models_of([row for row in rows if row.status == "ok" and row.gate is None])
    judged = models_of([row for row in rows if row.gate is not None])
    only_timed = [name for name in names if name not in judged]
    return [f"Of {_listed(only_timed)} only the speed was measured."] if only_timed else []


def _not_run(rows: Sequence[Row]) -> list[str]:
    left_out = [row for row in rows if row.status != "ok"]
    if not left_out:
        return []
    skipped = sum(row.status == "skipped" for row in left_out)
    failed = len(left_out) - skipped
    parts = [
        f"{skipped} could not run here" if skipped else "",
        f"{failed} failed" if failed else "",
    ]
    return [f"Of {len(rows)} rows, {' and '.join(filter(None, parts))}; the reasons are below."]


def _doubtful(fastest: Row | None, rows: Sequence[Row]) -> list[str]:
    doubted = [row for row in rows if row.status == "ok" and row.doubts]
    if not doubted:
        return ["The measurement raised no doubts of its own."] if fastest else []
    measured = sum(row.status == "ok" for row in rows)
    return [f"{len(doubted)} of {measured} measured rows carry doubts, listed below."]


def _fastest(rows: Sequence[Row]) -> Row | None:
    timed = [(row.latency_ms.median, index) for index, row in enumerate(rows) if row.latency_ms]
    return rows[min(timed)[1]] if timed else None


def _timed(row: Row) -> str:
    assert row.latency_ms is not None
    return f"{full_name(row)}, at {_span(row.latency_ms)} per image (median ± MAD, {_region(row)})"


def _milliseconds(row: Row) -> str:
    assert row.latency_ms is not None
    return _span(row.latency_ms)


def _region(row: Row) -> str:
    assert row.latency_ms is not None
    return row.latency_ms.region.replace("_", " ")


def _span(latency: Latency) -> str:
    return f"{numbers.with_spread(latency.median, latency.mad)} ms"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
