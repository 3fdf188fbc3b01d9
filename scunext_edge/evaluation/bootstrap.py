"""Bootstrap of a mean over images (Efron 1979): resample the images, percentile method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
RESAMPLES = 10_000
_BLOCK = 1000  # resamples at a time, so that memory stays small


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean over images and where it lies, two-sided at the confidence that was asked for."""

    mean: float
    low: float
    high: float


def resampled_means(
    values: npt.NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = 0
) -> npt.NDArray[np.float64]:
    """The mean of ``values`` [N] in each of ``resamples`` draws of N with replacement."""
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start in range(0, resamples, _BLOCK):
        block = min(_BLOCK, resamples - start)
        picks = rng.integers(len(values), size=(block, len(values)))
        means[start : start + block] = values[picks].mean(axis=1)
    return means


def interval(
    values: npt.NDArray[np.float64], *, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """The mean of ``values`` [N], N at least 1, with its interval."""
    means, outside = resampled_means(values, seed=seed), (1 - confidence) / 2
    low, high = np.quantile(means, [outside, 1 - outside])
    return Interval(mean=float(values.mean()), low=float(low), high=float(high))
