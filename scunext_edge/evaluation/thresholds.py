"""Where to cut a probability: the Dice of a picture at every threshold, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scunext_edge.evaluation.bootstrap import CONFIDENCE
from scunext_edge.runtime.predictor import Plane, logit_of
from scunext_edge.spec import Mask

Numbers = npt.NDArray[np.float64]

GRID = tuple(percent / 100 for percent in range(1, 100))
_CUTS = np.array([logit_of(it) for it in GRID], np.float32)
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The threshold of the highest mean Dice, and what other pictures might have chosen."""

    threshold: float
    low: float  # a bootstrap interval over images, at ``CONFIDENCE``
    high: float
    dice: float  # mean, at the threshold
    dice_at_half: float
    curve: tuple[float, ...]  # mean Dice at every threshold of GRID


def dice_curve(logits_hw: Plane, truth: Mask) -> Numbers:
    """Dice at every threshold of ``GRID``, as :func:`metrics.score` has it: float64 [99]."""
    # how many cuts a logit exceeds: it is lesion at exactly those
    exceeded = np.searchsorted(_CUTS, logits_hw.ravel(), side="left")
    found, common = (
        np.bincount(it, minlength=len(GRID) + 1)[::-1].cumsum()[::-1][1:]
        for it in (exceeded, exceeded[truth.ravel()])
    )
    both = found + np.count_nonzero(truth)
    return np.where(both > 0, 2 * common / np.maximum(both, 1), 1.0)


def choose(curves: Numbers, *, seed: int = 0) -> Choice:
    """From the curves of all images, [N, 99]; of equals, the one nearest to 0.5."""
    mean = curves.mean(axis=0)
    picks = np.random.default_rng(seed).multinomial(
        len(curves), np.full(len(curves), 1 / len(curves)), size=_RESAMPLES
    )
    others = [GRID[_best(it)] for it in picks @ curves / len(curves)]
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(others, [outside, 1 - outside], method="nearest")
    best = _best(mean)
    return Choice(
        threshold=GRID[best],
        low=float(low),
        high=float(high),
        dice=float(mean[best]),
        dice_at_half=float(mean[GRID.index(0.5)]),
        curve=tuple(float(it) for it in mean),
    )


def _best(means: Sequence[float] | Numbers) -> int:
    values = np.round(np.asarray(means), 9)  # sums in another order are no better threshold
    tied = np.flatnonzero(values == values.max())
    return int(min(tied, key=lambda at: abs(GRID[at] - 0.5)))
