"""What a results file shows and does not show, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scunext_edge.experiments.analysis import GAIN, LEVEL, Analysis, Difference, Effect, codes_of
from scunext_edge.experiments.parts import all_cuts, spread_over
from scunext_edge.experiments.results import Results
from scunext_edge.experiments.statistics import Estimate

NONE = "n/a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How differences of a score are told."""

    name: str
    unit: str
    scale: float
    less_is_better: bool = False

    def way(self, value: float) -> str:
        """What a difference means for who has it."""
        return "better" if (value < 0) is self.less_is_better else "worse"

    def amount(self, value: float) -> str:
        """``1.50 points of Dice``."""
        return f"{self.scale * abs(value):.2f} {self.unit} of {self.name}"

    def signed(self, value: float) -> str:
        """``+1.50``."""
        return f"{self.scale * value:+.2f}"

    def interval(self, value: Estimate) -> str:
        """``-0.50 to +1.50``; n/a where there is none."""
        if value.low is None or value.high is None:
            return NONE
        return f"{self.signed(value.low)} to {self.signed(value.high)}"


DICE = Metric(name="Dice", unit="points", scale=100)
METRICS = {
    "dice": DICE,
    "hd95": Metric(name="HD95", unit="pixels", scale=1, less_is_better=True),
    "threshold": Metric(name="Dice at the threshold of validation", unit="points", scale=100),
    GAIN: Metric(name="Dice by the threshold of validation", unit="points", scale=100),
}
_MEASURED = {
    "hd95": "HD95 was measured by {} states of its code.",
    "threshold": "The thresholds were chosen by {} states of their code.",
}


def findings(found: Results, analysis: Analysis) -> Iterator[str]:
    """What is significant and what is not, in sentences, where there is one part."""
    yield from so_far(found)
    yield from comparisons(found, analysis)
    yield from limits(found)


def so_far(found: Results) -> Iterator[str]:
    """What is missing, and whether the code changed meanwhile."""
    if missing := missing_of(found):
        yield (
            f"{len(missing)} of {planned(found)} trials are missing "
            f"({_listed(missing)}): what is said here may change."
        )
    if (codes := codes_of(found)) > 1:
        yield f"The trials were made by {codes} states of the code."
    for score, sentence in _MEASURED.items():
        name = f"{score}_code"
        if (codes := len({one[name] for one in found.trials if name in one})) > 1:
            yield sentence.format(codes)


def comparisons(found: Results, analysis: Analysis) -> Iterator[str]:
    """How the rows of one part differ."""
    what, over = "network", spread_over(found.terms)
    if found.terms["factors"]:
        yield from _said_of_effects(analysis.effects)
        what = "arm"
    for metric in dict.fromkeys(each.metric for each in analysis.differences):
        of_it = [each for each in analysis.differences if each.metric == metric]
        if metric == GAIN:
            yield from _said_of_gains(of_it, METRICS[metric], alone=is_single(found))
        elif is_single(found):
            yield from _said_of_one_training(of_it, METRICS[metric])
        elif found.terms.get("base"):
            yield from _said_of_changes(of_it, METRICS[metric], over)
        else:
            yield from _said_of_differences(of_it, METRICS[metric], what=what, over=over)
    for row in analysis.rows:
        if empty := sum(one.get("hd95_empty", 0) for one in found.trials if one["arm"] == row.arm):
            yield (
                f"Of {row.arm}, {empty} times one of the two masks is empty: there is no distance, "
                "and the picture's diagonal stands for HD95."
            )


def limits(found: Results) -> Iterator[str]:
    """What the numbers must not be put beside."""
    if found.terms["protocol"]["reduced"]:
        yield (
            "This is a reduced protocol: its numbers say how these rows compare with each other "
            "under it, and are not to be put beside those of full trainings."
        )


def _said_of_effects(effects: Sequence[Effect]) -> Iterator[str]:
    if not effects:
        yield "No fold has every combination yet, so no effect can be told."
        return
    sure = [effect for effect in effects if effect.significant]
    for effect in sure:
        way = "raises" if effect.splits.mean > 0 else "lowers"
        yield (
            f"**{effect.name}** {way} Dice by {100 * abs(effect.splits.mean):.2f} points "
            f"(p {chance(effect.holm)} after Holm): significant."
        )
    if rest := [effect.name for effect in effects if not effect.significant]:
        yield f"Not significant at {LEVEL:.0%}: {', '.join(rest)}."
    for least in sorted({each.least for each in effects if each.least > LEVEL}):
        names = ", ".join(effect.name for effect in effects if effect.least == least)
        yield (
            f"Too few trainings to be significant whatever they show: {names} "
            f"(p cannot be less than {chance(least)})."
        )


def _said_of_one_training(differences: Sequence[Difference], metric: Metric) -> Iterator[str]:
    for each in differences:
        if _apart(each.images):
            yield (
                f"{each.arm} is {metric.way(each.images.mean)} than {each.base} by "
                f"{metric.amount(each.images.mean)}, and the interval over images excludes zero. "
                "It is one training of each: another might turn it around."
            )
        else:
            yield f"{each.arm} and {each.base} are not told apart in {metric.name} on these images."


def _said_of_differences(
    differences: Sequence[Difference], metric: Metric, *, what: str, over: str
) -> Iterator[str]:
    beside = "" if metric is DICE else f" in {metric.name}"
    sure = [each for each in differences if each.significant]
    for each in sure:
        yield (
            f"**{each.arm}** is {metric.way(each.splits.mean)} than {each.base} by "
            f"{metric.amount(each.splits.mean)} (p {chance(each.holm)} after Holm): significant."
        )
    rest = [each for each in differences if not each.significant]
    if rest and not sure:
        yield f"No {what} differs significantly from another{beside} in the test over {over}."
    elif rest:
        pairs = _listed([f"{each.arm} and {each.base}" for each in rest], most=28)
        yield f"Not significantly different{beside} in the test over {over}: {pairs}."
    if apart := [each for each in rest if _apart(each.images)]:
        pairs = _listed([f"{each.arm} and {each.base}" for each in apart], most=28)
        yield (
            f"The interval over images{beside} excludes zero all the same for {pairs}: these very "
            "networks differ, but another training might turn it around."
        )


def _said_of_changes(differences: Sequence[Difference], metric: Metric, over: str) -> Iterator[str]:
    """One change each: what is kept is what has its whole interval over splits above zero."""
    known = [each for each in differences if each.splits.low is not None]
    for each in known:
        if _apart(each.splits):
            yield (
                f"**{each.arm}** is {metric.way(each.splits.mean)} than {each.base}: "
                f"{metric.signed(each.splits.mean)} {metric.unit} of {metric.name}, "
                f"{metric.interval(each.splits)} over {over} (p {chance(each.holm)} after Holm)."
            )
    if open_ := [each.arm for each in known if not _apart(each.splits)]:
        yield (
            f"No difference in {metric.name} can be told from zero over {over}: "
            f"{_listed(open_, most=28)}."
        )
    if doubtful := [each.arm for each in known if _apart(each.splits) and not each.significant]:
        yield (
            f"The intervals are not adjusted for the number of rows. After Holm, p of "
            f"{metric.name} is {LEVEL} or more for {_listed(doubtful, most=28)}: among so many "
            "rows, chance alone can give such an interval."
        )


def _said_of_gains(
    differences: Sequence[Difference], metric: Metric, *, alone: bool
) -> Iterator[str]:
    """Of each row; ``alone``: there is one training of each, which another might turn around."""
    for each in differences:
        told = (
            f"{metric.signed(each.splits.mean)} {metric.unit} of {metric.name}, not 0.5 "
            f"({metric.interval(each.images)} over images)"
        )
        if each.significant:
            yield f"**{each.arm}**: {told}, p {chance(each.holm)} after Holm: significant."
        elif _apart(each.images):
            why = "it is one training" if alone else "another training might turn it around"
            yield f"{each.arm}: {told}; {why}."
        else:
            yield f"{each.arm}: {told}: not told apart from zero."


def chance(value: float | None) -> str:
    """A p with as many digits as it deserves."""
    if value is None:
        return NONE
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def _apart(value: Estimate) -> bool:
    return value.low is not None and value.high is not None and value.low * value.high > 0


def planned(found: Results) -> int:
    """How many trials the whole table has."""
    terms: Mapping[str, Any] = found.terms
    return len(terms["arms"]) * len(all_cuts(terms))


def missing_of(found: Results) -> list[str]:
    """Names of trials that the table has no record of."""
    there = {(one["arm"], one["cut"]) for one in found.trials}
    arms = [arm["name"] for arm in found.terms["arms"]]
    return [f"{a}/{c}" for c in all_cuts(found.terms) for a in arms if (a, c) not in there]


def is_single(part: Results) -> bool:
    """Whether there is one split, so that no spread over splits can ever be told."""
    return len(all_cuts(part.terms)) == 1


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
