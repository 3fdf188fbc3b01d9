"""Tests and intervals for trainings that share images. numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scunext_edge.benchmarks.intervals import t_quantile
from scunext_edge.evaluation.bootstrap import CONFIDENCE, RESAMPLES

_EXACT = 20  # so many signs are flipped in every way; more of them at random
_FLIPS = 20_000
_BLOCK = 500  # resamples at a time

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean difference, its interval of 95 % and the two-sided p; null: too few values."""

    mean: float
    low: float | None
    high: float | None
    p: float | None


def over_splits(differences: Sequence[float], *, test_share: float) -> Estimate:
    """Student's t over splits, with the variance that overlapping training parts call for.

    Trainings on random splits, or on folds, share most of their images, so their differences vary
    less than those of independent repetitions would. Nadeau and Bengio (Inference for the
    Generalization Error, Machine Learning 52, 2003): the variance of the mean of k differences is
    s^2 (1/k + n_test/n_train), not s^2/k. ``test_share`` is n_test/n_train.
    """
    values, count = np.asarray(differences, dtype=np.float64), len(differences)
    centre = float(values.mean())
    if count < 2:
        return Estimate(mean=centre, low=None, high=None, p=None)
    error = math.sqrt(float(values.var(ddof=1)) * (1 / count + test_share))
    reach = t_quantile(0.5 + CONFIDENCE / 2, count - 1) * error
    p = t_two_sided(centre / error, count - 1) if error else float(centre == 0)
    return Estimate(mean=centre, low=centre - reach, high=centre + reach, p=p)


def t_two_sided(t: float, freedom: int) -> float:
    """The chance of a \\|t\\| at least so large (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    odd, square = freedom % 2, math.cos(angle) ** 2
    term, total = 1.0, 1.0
    for step in range(2 + odd, freedom - 1, 2):
        term *= square * (step - 1) / step
        total += term
    if odd:
        inner = math.sin(angle) * math.cos(angle) * total if freedom > 1 else 0.0
        return max(0.0, 1 - 2 / math.pi * (angle + inner))
    return max(0.0, 1 - math.sin(angle) * total)


def sign_flips(differences: Sequence[float] | Values, *, seed: int = 0) -> float:
    """p of the paired permutation test: how often random signs give as large a mean, or larger.

    Every way to set the signs is counted for up to 20 differences (so n of them cannot give less
    than 2 / 2^n), 20,000 random ones beyond.
    """
    values = np.asarray(differences, dtype=np.float64)
    seen = abs(float(values.sum())) - 1e-12
    if len(values) <= _EXACT:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate((sums + value, sums - value))
        return float(np.mean(np.abs(sums) >= seen))
    rng, found = np.random.default_rng(seed), 0
    for _ in range(_FLIPS // _BLOCK):
        signs = rng.integers(0, 2, size=(_BLOCK, len(values))) * 2 - 1
        found += int(np.count_nonzero(np.abs(signs @ values) >= seen))
    return (found + 1) / (_FLIPS + 1)


def least_p(count: int) -> float:
    """The least that :func:`sign_flips` can give for so many differences."""
    return 2.0 ** (1 - count) if count <= _EXACT else 1 / (_FLIPS + 1)


def over_images(differences: Values, *, seed: int = 0) -> Estimate:
    """Bootstrap over images. ``differences`` is [images, splits], NaN where not in its test part.

    An image that is tested in several splits is drawn or left out with all of them. The mean is
    over splits of the means over their images. It speaks of these trained networks on other
    images, not of other trainings.
    """
    tested = ~np.isnan(differences)
    filled, rng = np.where(tested, differences, 0.0), np.random.default_rng(seed)
    count, means = len(differences), []
    for start in range(0, RESAMPLES, _BLOCK):
        block = min(_BLOCK, RESAMPLES - start)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=block).astype(np.float64)
        means.append(((drawn @ filled) / np.maximum(drawn @ tested, 1)).mean(axis=1))
    low, high = np.quantile(np.concatenate(means), [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    centre = float((filled.sum(axis=0) / tested.sum(axis=0)).mean())
    return Estimate(mean=centre, low=float(low), high=float(high), p=None)


def holm(chances: Sequence[float | None]) -> list[float | None]:
    """p adjusted for how many were looked at (Holm 1979); null stays null and does not count."""
    known = sorted((p, at) for at, p in enumerate(chances) if p is not None)
    adjusted: list[float | None] = [None] * len(chances)
    largest = 0.0
    for rank, (p, at) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[at] = largest
    return adjusted
