"""From trials to what they show: rows, paired differences, effects of factors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scunext_edge.experiments.further import FURTHER, place_of
from scunext_edge.experiments.parts import cut_names, redrawn
from scunext_edge.experiments.results import Results
from scunext_edge.experiments.sources import kinds
from scunext_edge.experiments.statistics import (
    Estimate,
    Values,
    holm,
    least_p,
    over_images,
    over_splits,
    sign_flips,
)

LEVEL = 0.05
METRICS = ("dice", "iou", "dice_pooled", "iou_pooled")
GAIN = "gain"  # Dice at the threshold of validation minus that at 0.5, of one row


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Mean and standard deviation (n - 1) over splits; null: none, or only one.

    0 to 1, but ``hd95``, which is in pixels.
    """

    mean: float | None
    sd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFound:
    """One arm: how many of its trials are there, and what they came to."""

    arm: str
    trials: int
    params: int | None
    macs: int | None
    scores: Mapping[str, Spread]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A score of ``arm`` minus that of ``base``, on the same test images of the same splits.

    ``metric``: "dice", a further score that was asked for ("threshold" is Dice at it), or "gain",
    what the threshold of validation adds to a row's Dice; ``base`` is then the row itself.
    """

    arm: str
    base: str
    splits: Estimate
    images: Estimate
    holm: float | None = None
    metric: str = "dice"

    @property
    def significant(self) -> bool:
        """Whether it would hold for other trainings, by the test over splits."""
        return self.holm is not None and self.holm < LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What switching on a factor, or several at once beyond their sum, does to Dice.

    ``trainings``: p of the exact permutation of pairs of trained networks; ``least``: the least
    that it can be. ``folds`` and ``images``: p of the same test with these as the unit.
    """

    factors: tuple[str, ...]
    splits: Estimate
    trainings: float
    least: float
    folds: float
    images: float
    holm: float | None = None

    @property
    def name(self) -> str:
        """``skip``; for an interaction ``skip x fuse``."""
        return " x ".join(self.factors)

    @property
    def significant(self) -> bool:
        """By the permutation of trainings."""
        return self.holm is not None and self.holm < LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All that the text says."""

    rows: tuple[RowFound, ...]
    missing: tuple[str, ...]  # names of trials
    differences: tuple[Difference, ...]
    effects: tuple[Effect, ...]
    codes: int  # by how many states of the code the trials of one network were made, at most


def analyse(found: Results) -> Analysis:
    """Everything of one part, from what is there.

    Incomplete splits are left out of paired comparisons.
    """
    arms = [str(arm["name"]) for arm in found.terms["arms"]]
    trials = {(str(one["arm"]), str(one["cut"])): one for one in found.trials}
    cuts = cut_names(found.terms["splits"])
    factors = tuple(found.terms["factors"])
    base = found.terms.get("base") or (arms[0] if factors else None)
    drawn = redrawn(found.terms["splits"])
    asked = tuple(found.terms.get("scores") or ())
    metrics = (*METRICS, *(metric for score in asked for metric in FURTHER[score]))
    return Analysis(
        rows=tuple(
            _row(arm, [trials[arm, cut] for cut in cuts if (arm, cut) in trials], metrics)
            for arm in arms
        ),
        missing=tuple(f"{a}/{c}" for c in cuts for a in arms if (a, c) not in trials),
        differences=tuple(_differences(arms, cuts, trials, asked, base=base, drawn=drawn)),
        effects=tuple(_effects(found.terms["arms"], factors, cuts, trials, drawn=drawn)),
        codes=codes_of(found),
    )


def codes_of(found: Results) -> int:
    """By how many states of the code the trials of one network were made, at most."""
    by_model: dict[str, set[str]] = {}
    for one in found.trials:
        by_model.setdefault(str(one["model"]), set()).add(str(one["code"]))
    return max((kinds(codes) for codes in by_model.values()), default=0)


Trials = Mapping[tuple[str, str], Mapping[str, Any]]


def _row(arm: str, trials: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> RowFound:
    scores = {}
    for metric in metrics:
        values = [float(trial[metric]) for trial in trials]
        scores[metric] = Spread(
            mean=float(np.mean(values)) if values else None,
            sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        )
    first = trials[0] if trials else {}
    return RowFound(
        arm=arm,
        trials=len(trials),
        params=first.get("params"),
        macs=first.get("macs"),
        scores=scores,
    )


def _differences(
    arms: Sequence[str],
    cuts: Sequence[str],
    trials: Trials,
    asked: Sequence[str],
    *,
    base: str | None,
    drawn: bool,
) -> Iterator[Difference]:
    """Every arm against the base, of a grid the one with nothing on; without a base all pairs.

    In Dice and in each further score that is ``asked`` for; and what a threshold gains each arm.

    Where splits are not ``drawn``, trainings share all test images and differ in their seeds: the
    images that other splits would have are no part of the question, nor of the variance.
    """
    pairs = (
        [(arm, base) for arm in arms if arm != base]
        if base is not None
        else [(later, earlier) for earlier, later in itertools.combinations(arms, 2)]
    )
    values = {"dice": 0, **{score: place_of(score, asked) for score in asked}}
    compared = [
        (metric, arm, other, {arm: {at: 1.0}, other: {at: -1.0}})
        for metric, at in values.items()
        for arm, other in pairs
    ]
    if "threshold" in values:
        gain = {values["threshold"]: 1.0, values["dice"]: -1.0}
        compared += [(GAIN, arm, arm, {arm: gain}) for arm in arms]
    made = []
    for metric, arm, other, weights in compared:
        both = [cut for cut in cuts if (arm, cut) in trials and (other, cut) in trials]
        if not both:
            continue
        per_image = _per_image(trials, weights, both)
        means = np.nanmean(per_image, axis=0).tolist()
        share = _test_share([trials[arm, cut] for cut in both]) if drawn else 0.0
        made.append(
            Difference(
                arm=arm,
                base=other,
                splits=over_splits(means, test_share=share),
                images=over_images(per_image),
                metric=metric,
            )
        )
    adjusted = holm([each.splits.p for each in made])
    for each, p in zip(made, adjusted, strict=True):
        yield replace(each, holm=p)


def _effects(
    arms: Sequence[Mapping[str, Any]],
    factors: tuple[str, ...],
    cuts: Sequence[str],
    trials: Trials,
    *,
    drawn: bool,
) -> Iterator[Effect]:
    """Main effects and interactions from folds in which every combination was trained."""
    on = {str(arm["name"]): set(arm["on"]) for arm in arms}
    whole = [cut for cut in cuts if all((name, cut) in trials for name in on)]
    if not factors or not whole:
        return
    made = []
    share = _test_share([trials[next(iter(on)), cut] for cut in whole]) if drawn else 0.0
    orders = range(1, len(factors) + 1)
    for subset in itertools.chain(*(itertools.combinations(factors, n) for n in orders)):
        signs = {name: _sign(states, subset) for name, states in on.items()}
        weight = 2 ** (len(factors) - len(subset))  # a mean over the other factors' states
        contrast = {name: {0: sign / weight} for name, sign in signs.items()}
        per_image = _per_image(trials, contrast, whole)
        by_fold = np.nanmean(per_image, axis=0).tolist()
        units = _units(trials, on, subset, factors, whole)
        made.append(
            Effect(
                factors=subset,
                splits=over_splits(by_fold, test_share=share),
                trainings=sign_flips(units),
                least=least_p(len(units)),
                folds=sign_flips(by_fold),
                images=sign_flips(np.nanmean(per_image, axis=1)),
            )
        )
    for each, p in zip(made, holm([each.trainings for each in made]), strict=True):
        yield Effect(
            factors=each.factors,
            splits=each.splits,
            trainings=each.trainings,
            least=each.least,
            folds=each.folds,
            images=each.images,
            holm=p,
        )


def _sign(on: set[str], subset: Sequence[str]) -> int:
    """The sign of an arm in the contrast of these factors."""
    return int(np.prod([1 if factor in on else -1 for factor in subset]))


def _units(
    trials: Trials,
    on: Mapping[str, set[str]],
    subset: Sequence[str],
    factors: Sequence[str],
    cuts: Sequence[str],
) -> list[float]:
    """One difference for each fold and state of the factors outside ``subset``.

    Without an effect, swapping "on" and "off" in any one of them changes no distribution: each
    network is a training of its own. So each has a sign of its own in the permutation. (For an
    interaction this takes besides that other effects add, and do not change the noise.)
    """
    others = [factor for factor in factors if factor not in subset]
    found = []
    for cut in cuts:
        for count in range(len(others) + 1):
            for state in itertools.combinations(others, count):
                same = [name for name, has in on.items() if has - set(subset) == set(state)]
                found.append(
                    sum(_sign(on[name], subset) * float(trials[name, cut]["dice"]) for name in same)
                )
    return found


def _per_image(
    trials: Trials, weights: Mapping[str, Mapping[int, float]], cuts: Sequence[str]
) -> Values:
    """A weighted sum over arms and values of an image, [images, splits]; NaN: not tested there."""
    names = sorted({id for cut in cuts for arm in weights for id in trials[arm, cut]["images"]})
    at = {name: index for index, name in enumerate(names)}
    table = np.full((len(names), len(cuts)), np.nan)
    for column, cut in enumerate(cuts):
        for arm, each in weights.items():
            for id, values in trials[arm, cut]["images"].items():
                before = table[at[id], column]
                added = sum(weight * values[place] for place, weight in each.items())
                table[at[id], column] = (0.0 if np.isnan(before) else before) + added
    return table


def _test_share(trials: Sequence[Mapping[str, Any]]) -> float:
    """Test images per training image, over the trials."""
    counts = [trial["counts"] for trial in trials]
    return float(np.mean([count["test"] / count["train"] for count in counts]))
