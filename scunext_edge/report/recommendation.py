"""Which model, engine and precision to ship on this device, and how sure that is, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from scunext_edge.report import accuracy, numbers
from scunext_edge.report.choice import MIN_EFFECT, Choice, LeftOut, choose, how_many_times
from scunext_edge.report.naming import by_model, full_name
from scunext_edge.report.obstacles import obstacle, obstacles
from scunext_edge.report.records import Run
from scunext_edge.results import Latency, Row

State = Literal["recommended", "provisional", "none"]
_ENOUGH_PROCESSES = 5
_LEFT_OUT = {
    "conditions": "not measured as the others were",
    "gate": "not passed by the gate or not scored",
    "network": "of a less accurate network",
    "stability": "unstable",
    "interval": "of a single process",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A sentence and what it rests on. ``provisional``: a row leads, but is not to be shipped yet.

    ``missing`` holds what would make it surer, each with what to do.
    """

    state: State
    headline: str
    sentence: str
    reasons: Sequence[str] = field(default_factory=tuple)
    certainty: Sequence[str] = field(default_factory=tuple)
    missing: Sequence[str] = field(default_factory=tuple)
    row: Row | None = None
    runner_up: Row | None = None

    @property
    def text(self) -> str:
        """For a terminal: the sentence, then a line for each reason."""
        lines = [f"  why: {it}" for it in self.reasons]
        lines += [f"  how sure: {it}" for it in self.certainty]
        lines += [f"  missing: {it}" for it in self.missing]
        return "\n".join((self.sentence, *lines))


def recommend(run: Run) -> Recommendation:
    """Apply the rule of :mod:`scunext_edge.report.choice` and say what came of it."""
    choice = choose(run)
    row = choice.row
    if row is None:
        return _nothing(run, choice)
    wanting = [*_not_stable(row), *_not_of_patients(run)]
    state: State = "provisional" if wanting else "recommended"
    return Recommendation(
        state=state,
        headline=_headline(state, choice),
        sentence=_sentence(state, run, choice),
        reasons=[*_why(run, choice), *_faster(choice), *_counted(choice.left_out)],
        certainty=[*_speed(choice), *_stability(row), *_accuracy(run, row)],
        missing=[*wanting, *_caveats(row)],
        row=row,
        runner_up=choice.runner_up,
    )


def device_name(run: Run, row: Row | None = None) -> str:
    """The device as its own system calls it; "this device" where it does not say."""
    told = run.environment
    gpu = told.get("gpu_name") if row is not None and row.device != "cpu" else None
    return str(gpu or told.get("board") or told.get("cpu_model") or "this device")


def p50(latency: Latency) -> str:
    """``0.574 ms (95 %: 0.561 to 0.588)``; without an interval the median alone."""
    if latency.median_interval is None:
        return f"{numbers.milliseconds(latency.median)} ms"
    value, low, high = numbers.within(latency.median, *latency.median_interval)
    return f"{value} ms (95 %: {low} to {high})"


def _headline(state: State, choice: Choice) -> str:
    assert choice.row is not None
    name = full_name(choice.row)
    if state == "recommended":
        return f"Recommended: {name}"
    return f"Nothing to ship yet; in the lead: {name}"


def _sentence(state: State, run: Run, choice: Choice) -> str:
    row = choice.row
    assert row is not None
    assert row.latency_ms is not None
    threads = f"{row.threads} thread{'' if row.threads == 1 else 's'}"
    region = row.latency_ms.region.replace("_", " ")
    about = (
        f"{full_name(row)}: p50 {p50(row.latency_ms)} per image ({region}, {threads}), "
        f"{_dice(run, row)}"
    )
    device = device_name(run, row)
    if state == "recommended":
        return f"For {device}, ship {about}."
    why = ""
    if all(it.stability != "stable" for it in choice.candidates):
        many = len(choice.candidates)
        count = f"all {many} rows that may be shipped are" if many > 1 else "the one row left is"
        why = f", since {count} inconclusive"
    elif row.stability == "stable":
        why = ", since no image of a patient was scored"
    return f"Nothing can be recommended for {device} yet{why}. In the lead is {about}."


def _dice(run: Run, row: Row) -> str:
    assert row.dice is not None, "the gate let a row pass that has no Dice"
    text = f"mean Dice {numbers.score(row.dice)}"
    if row.dice_drop_upper is None:
        return f"{text}, as the FP32 reference that the others are compared with"
    sure = f"{100 * accuracy.confidence(run):g} %"
    if row.dice_drop_upper <= 0:
        return f"{text}, no lower than that of FP32 ({sure})"
    return f"{text}, at most {numbers.drop(row.dice_drop_upper)} below FP32 ({sure})"


def _why(run: Run, choice: Choice) -> Iterator[str]:
    row, many = choice.row, len(choice.candidates)
    assert row is not None
    passed = "is the reference of" if row.gate == "reference" else "passed"
    yield f"It {passed} the accuracy gate, which allows a loss of {accuracy.limit(run):g} Dice."
    best = accuracy.most_accurate(run.rows)
    if best and (row.model, row.input_size) != (best.model, best.input_size):
        found = accuracy.loss(run, row, against=best)
        upper = numbers.drop(max(0.0, found.upper)) if found else "an unknown amount"
        yield (
            f"It was held against the most accurate network, {full_name(best)}, too: "
            f"at most {upper} Dice below it."
        )
    if many == 1:
        yield "No other row is left to choose from."
    elif not choice.tied_with:
        yield f"Of the {many} rows that may be shipped, its p50 has the lowest upper end."
    else:
        count = "one other" if len(choice.tied_with) == 1 else f"{len(choice.tied_with)} others"
        decided = f"; {choice.tie_break} decided" if choice.tie_break else ""
        yield (
            f"Of the {many} rows that may be shipped, it and {count} are the fastest and not told "
            f"apart ({by_model(choice.tied_with)}){decided}."
        )


def _faster(choice: Choice) -> Iterator[str]:
    """Rows that took less time and were not chosen: nobody should have to look for the reason."""
    mine = choice.row.latency_ms if choice.row else None
    for it in choice.left_out:
        theirs = it.row.latency_ms
        if mine and theirs and it.step != "conditions" and theirs.median < mine.median:
            yield (
                f"{full_name(it.row)} is faster ({numbers.milliseconds(theirs.median)} ms) and "
                f"was left out: {it.reason}."
            )


def _counted(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """How many rows were not ranked, by the step that left them out."""
    steps = Counter(it.step for it in left_out)
    if steps:
        parts = [f"{count} {_LEFT_OUT[step]}" for step, count in steps.items()]
        yield f"Rows left out: {'; '.join(parts)}."


def _speed(choice: Choice) -> Iterator[str]:
    row, other = choice.row, choice.runner_up
    if row is None or other is None:
        return
    found = how_many_times(other, row)
    if found is None:
        return
    low, high = (numbers.times(end) for end in found.interval())
    times = f"{numbers.times(found.value)} times the p50 of this row (95 %: {low} to {high})"
    if other in choice.tied_with:
        yield (
            f"Speed does not tell it from {full_name(other)}, which takes {times}: a difference "
            f"counts when that interval excludes 1 and it is {MIN_EFFECT:.0%} or more."
        )
    else:
        yield f"The next, {full_name(other)}, takes {times}: the two are told apart."


def _stability(row: Row) -> Iterator[str]:
    if row.stability == "stable":
        yield f"Its latency is stable: {'; '.join(row.stability_reasons)}."


def _accuracy(run: Run, row: Row) -> Iterator[str]:
    scores = run.dice.get(row.key)
    images = len(scores) if scores else run.data.get("images")
    if images is None:
        return
    text = f"Dice rests on {images:,} images"
    if lost := accuracy.lost(row):
        confidence = f"{100 * accuracy.confidence(run):g} %"
        text += f": against FP32 it {lost} with {confidence} confidence"
    yield f"{text}."


def _not_stable(row: Row) -> Iterator[str]:
    if row.stability == "stable":
        return
    why = "; ".join(row.stability_reasons) or "no verdict on it was stored"
    few = row.latency_ms is not None and row.latency_ms.processes < _ENOUGH_PROCESSES
    remedy = "measure with --suite full" if few else "measure again with more rounds, nothing else"
    yield f"Its latency is inconclusive: {why}; {remedy}{'' if few else ' running'}."


def _not_of_patients(run: Run) -> Iterator[str]:
    if note := run.data.get("note"):
        yield f"Scored on {note}; give images of yours with --data."


def _caveats(row: Row) -> Iterator[str]:
    """What the row itself admits, without what the verdict on its latency says already."""
    if row.precision_ran and row.precision_ran != row.precision:
        ran, asked = row.precision_ran.upper(), row.precision.upper()
        yield f"The engine executed {ran}, though {asked} was asked for."
    of_processes = f"{row.latency_ms.processes} process" if row.latency_ms else ""
    if doubts := [it for it in row.doubts if not it.startswith(of_processes)]:
        yield f"The measurement's own doubts: {'; '.join(doubts)}."


def _nothing(run: Run, choice: Choice) -> Recommendation:
    why, todo = obstacle(run, choice.left_out)
    return Recommendation(
        state="none",
        headline="Nothing to recommend",
        sentence=f"Nothing can be recommended for {device_name(run)}: {why}.",
        reasons=list(obstacles(choice.left_out)),
        missing=[todo],
    )
