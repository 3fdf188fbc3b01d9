"""Whether a probability is one: of the pixels that are given p, is a share of p lesion?

ECE is that of Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks" (ICML
2017, arXiv 1706.04599, eq. 3), with bins over the probability of lesion from 0 to 1, and not over
that of the likelier class: so a diagram shows too large masks and too small ones on two sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scunext_edge.runtime.predictor import Plane
from scunext_edge.runtime.symmetries import chances_of
from scunext_edge.spec import Mask

BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Pixels by their probability, in ``BINS`` bins of equal width; sums, so that they add up."""

    pixels: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]  # the sum in each bin
    lesion: npt.NDArray[np.int64]
    squared_error: float  # the sum over all pixels

    @property
    def ece(self) -> float:
        """The mean distance between probability and frequency, bins weighted by their pixels."""
        return float(np.abs(self.probability - self.lesion).sum() / self.pixels.sum())

    @property
    def brier(self) -> float:
        """The mean squared error of the probability (Brier 1950)."""
        return self.squared_error / int(self.pixels.sum())

    def __add__(self, other: Reliability) -> Reliability:
        """Of the pixels of both."""
        return Reliability(
            pixels=self.pixels + other.pixels,
            probability=self.probability + other.probability,
            lesion=self.lesion + other.lesion,
            squared_error=self.squared_error + other.squared_error,
        )


def reliability(logits_hw: Plane, truth: Mask) -> Reliability:
    """Of one picture: float32 logits and bool truth, both [H, W]."""
    chances = chances_of(logits_hw.ravel())
    real = truth.ravel()
    bins = np.minimum((chances * BINS).astype(np.intp), BINS - 1)
    return Reliability(
        pixels=np.bincount(bins, minlength=BINS),
        probability=np.bincount(bins, weights=chances, minlength=BINS).astype(np.float64),
        lesion=np.bincount(bins[real], minlength=BINS),
        squared_error=float(np.square(chances - real).sum()),
    )
