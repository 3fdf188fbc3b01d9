"""Is a model as good as its reference, and for whom is it not? From scores of the same images.

The verdict is one of non-inferiority (CONSORT extension, Piaggio et al., JAMA 2012): a margin says
how much may be lost, and the loss, paired per image, is shown to be within it, shown to be beyond
it, or neither. What a mean hides stands beside it: the worst images, those that fall through a
floor, lesions that are not found any more, areas, outlines, and all of it by size of the lesion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from scunext_edge.data.calibration import SIZES
from scunext_edge.errors import ConfigError
from scunext_edge.evaluation.bootstrap import CONFIDENCE, Interval, interval, resampled_means
from scunext_edge.evaluation.boundary import Boundary
from scunext_edge.evaluation.records import Evaluation

Judgement = Literal["passed", "failed", "inconclusive"]
Numbers = npt.NDArray[np.float64]

TIERS = {"99": 0.99, "99.9": 0.999}  # MLPerf Inference's accuracy targets for medical imaging
_DECILE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What is asked of a candidate. With ``tier``, the margin is a share of the reference."""

    margin: float = 0.005  # the most mean Dice that may be lost
    tier: str | None = None  # instead of margin: 99 or 99.9 percent of Dice are kept
    floor: float = 0.8  # of one image's Dice
    most_missed: int = 0  # lesions that the reference finds and the candidate does not
    confidence: float = CONFIDENCE

    def __post_init__(self) -> None:
        if self.tier is not None and self.tier not in TIERS:
            raise ConfigError(
                f"there is no tier {self.tier!r}", hint=f"choose one of: {', '.join(TIERS)}"
            )
        if not 0 <= self.margin < 1:
            raise ConfigError(f"a margin of {self.margin} of Dice", hint="e.g. 0.005")
        if not 0 < self.floor <= 1:
            raise ConfigError(f"a floor of {self.floor} of Dice", hint="e.g. 0.8")
        if self.most_missed < 0:
            raise ConfigError(f"{self.most_missed} missed lesions", hint="use 0 or more")
        if not 0.5 <= self.confidence < 1:
            raise ConfigError(f"a confidence of {self.confidence}", hint="use 0.95")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """How much Dice is lost, against how much may be: the verdict."""

    drop: Interval  # reference minus candidate, mean over images
    excess: float  # loss beyond the margin; below 0: within it
    lower: float  # one-sided bounds of the excess at the stated confidence
    upper: float
    judgement: Judgement
    images_needed: int | None  # for a verdict, if the images to come are like these


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One figure of both."""

    reference: float | None
    candidate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Distances between outlines, in pixels, and the share within the tolerance."""

    tolerance: float
    hd95: Pair  # means over the images where both have one
    hd95_rise: Interval | None  # candidate minus reference
    without_hd95: Pair  # images with an empty mask on one side
    nsd: Pair
    nsd_drop: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The lesions of one size. ``low`` and ``high``: shares of the frame."""

    size: str
    low: float
    high: float
    images: int
    dice: Pair
    drop: Interval
    fallen: int
    hd95: Pair | None
    nsd: Pair | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """All that was found. Ids are those of images."""

    images: int
    dice: Pair
    loss: Loss
    worst_decile: Pair  # mean Dice of the tenth of the images on which each does worst
    worst_drops: float  # mean loss of the tenth that loses most
    worst_image: str  # that loses most
    worst_drop: float
    below_floor: Pair
    fallen: tuple[str, ...]  # through the floor
    risen: int  # above it
    missed: Pair  # lesions of which no pixel was found
    newly_missed: tuple[str, ...]
    area_bias: Pair  # predicted over true area, minus 1; mean over lesions
    area_change: Interval  # candidate minus reference, as a share of the true area
    outline: Outline | None
    groups: tuple[Group, ...]


def accept(
    reference: Evaluation,
    candidate: Evaluation,
    criteria: Criteria,
    *,
    outlines: tuple[Mapping[str, Boundary], Mapping[str, Boundary]] | None = None,
    tolerance: float = 2.0,
    pixels: Mapping[str, int] | None = None,
) -> Acceptance:
    """Compare two evaluations of the same images in the same order.

    ``outlines``: of the reference and of the candidate, by image. ``pixels``: how many each image
    has; without it lesions are not grouped by size.
    """
    ids = tuple(reference.scores)
    if ids != tuple(candidate.scores) or not ids:
        raise ValueError("acceptance needs the same images in the same order")
    one, other = reference.values("dice"), candidate.values("dice")
    drop = one - other
    worst = int(drop.argmax())
    low_one, low_other = one < criteria.floor, other < criteria.floor
    truth = reference.values("truth_area")
    lesions = truth > 0
    missed_one = lesions & (reference.values("common_area") == 0)
    missed_other = lesions & (candidate.values("common_area") == 0)
    bias = [_area_bias(of, truth, lesions) for of in (reference, candidate)]
    tenth = max(1, round(len(ids) * _DECILE))
    return Acceptance(
        images=len(ids),
        dice=_means(one, other),
        loss=_loss(one, other, criteria),
        worst_decile=_means(np.sort(one)[:tenth], np.sort(other)[:tenth]),
        worst_drops=float(np.sort(drop)[-tenth:].mean()),
        worst_image=ids[worst],
        worst_drop=float(drop[worst]),
        below_floor=_counts(low_one, low_other),
        fallen=_named(ids, low_other & ~low_one),
        risen=int((low_one & ~low_other).sum()),
        missed=_counts(missed_one, missed_other),
        newly_missed=_named(ids, missed_other & ~missed_one),
        area_bias=_means(*bias),
        area_change=interval(bias[1] - bias[0], confidence=criteria.confidence)
        if lesions.any()
        else Interval(mean=0.0, low=0.0, high=0.0),
        outline=_outline(ids, outlines, tolerance, criteria.confidence) if outlines else None,
        groups=_groups(ids, one, other, truth, pixels, outlines, criteria) if pixels else (),
    )


def _loss(one: Numbers, other: Numbers, criteria: Criteria) -> Loss:
    """Non-inferiority of the mean: the loss beyond the margin, per image, and its bounds."""
    if criteria.tier is None:
        excess = one - other - criteria.margin
    else:
        excess = TIERS[criteria.tier] * one - other
    means = resampled_means(excess)
    lower, upper = np.quantile(means, [1 - criteria.confidence, criteria.confidence])
    mean = float(excess.mean())
    # A bound that is exactly the margin keeps it; sums of floats do not hit it exactly.
    judgement: Judgement = "passed" if upper <= 1e-12 else "failed" if lower > 0 else "inconclusive"
    needed = None
    if judgement == "inconclusive" and mean != 0:
        quantile = NormalDist().inv_cdf(criteria.confidence)  # one-sided
        needed = ceil((quantile * float(excess.std(ddof=1)) / mean) ** 2)
    return Loss(
        drop=interval(one - other, confidence=criteria.confidence),
        excess=mean,
        lower=float(lower),
        upper=float(upper),
        judgement=judgement,
        images_needed=max(needed, len(one) + 1) if needed is not None else None,
    )


def _area_bias(of: Evaluation, truth: Numbers, lesions: npt.NDArray[np.bool_]) -> Numbers:
    found: Numbers = of.values("predicted_area")[lesions] / truth[lesions] - 1
    return found


def _outline(
    ids: Sequence[str],
    outlines: tuple[Mapping[str, Boundary], Mapping[str, Boundary]],
    tolerance: float,
    confidence: float,
) -> Outline:
    hd95_one, hd95_other = (_hd95(ids, rows) for rows in outlines)
    nsd_one, nsd_other = (np.array([rows[id].nsd for id in ids]) for rows in outlines)
    both = ~np.isnan(hd95_one) & ~np.isnan(hd95_other)
    rise = hd95_other[both] - hd95_one[both]
    return Outline(
        tolerance=tolerance,
        hd95=_means(hd95_one[both], hd95_other[both]),
        hd95_rise=interval(rise, confidence=confidence) if both.any() else None,
        without_hd95=_counts(np.isnan(hd95_one), np.isnan(hd95_other)),
        nsd=_means(nsd_one, nsd_other),
        nsd_drop=interval(nsd_one - nsd_other, confidence=confidence),
    )


def _groups(
    ids: Sequence[str],
    one: Numbers,
    other: Numbers,
    truth: Numbers,
    pixels: Mapping[str, int],
    outlines: tuple[Mapping[str, Boundary], Mapping[str, Boundary]] | None,
    criteria: Criteria,
) -> tuple[Group, ...]:
    share = truth / np.array([pixels[id] for id in ids])
    groups = []
    for size, (low, high) in SIZES.items():
        members = (truth > 0) & (share >= low) & (share < high)
        if not members.any():
            continue
        chosen = [id for id, is_in in zip(ids, members, strict=True) if is_in]
        fallen = (other < criteria.floor) & (one >= criteria.floor) & members
        outline = None
        if outlines:
            outline = _outline(chosen, outlines, 0, criteria.confidence)
        groups.append(
            Group(
                size=size,
                low=low,
                high=min(high, 1.0),
                images=len(chosen),
                dice=_means(one[members], other[members]),
                drop=interval((one - other)[members], confidence=criteria.confidence),
                fallen=int(fallen.sum()),
                hd95=outline.hd95 if outline else None,
                nsd=outline.nsd if outline else None,
            )
        )
    return tuple(groups)


def _hd95(ids: Sequence[str], rows: Mapping[str, Boundary]) -> Numbers:
    return np.array([np.nan if rows[id].hd95 is None else rows[id].hd95 for id in ids])


def _means(one: Numbers, other: Numbers) -> Pair:
    if not len(one):
        return Pair(reference=None, candidate=None)
    return Pair(reference=float(one.mean()), candidate=float(other.mean()))


def _counts(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> Pair:
    return Pair(reference=int(one.sum()), candidate=int(other.sum()))


def _named(ids: Sequence[str], which: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(id for id, is_in in zip(ids, which, strict=True) if is_in)
