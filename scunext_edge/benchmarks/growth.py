"""Does memory grow? A slope with its interval that a single step or a few outliers cannot move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
FEWEST = 10  # points, below which an interval says nothing
_MOST = 400  # points: all pairs of them are looked at
_NOTABLE_BYTES = 1_000_000  # allocators settle by dozens of pages, which is no leak


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Megabytes (10^6 bytes) an hour, with the ends of the interval."""

    mb_per_hour: float
    low: float
    high: float
    hours: float  # that were seen

    @property
    def is_shown(self) -> bool:
        """Whether even the lower end of the interval adds a megabyte in the time that was seen."""
        return self.low * self.hours * 1e6 >= _NOTABLE_BYTES

    def __str__(self) -> str:
        ends = f"{CONFIDENCE:.0%} interval {_signed(self.low)} to {_signed(self.high)}"
        if self.is_shown:
            return f"memory grows by {self.mb_per_hour:.2g} MB/hour ({ends})"
        seen = self.mb_per_hour * self.hours
        return (
            f"no growth of memory shown: {_signed(seen)} MB while it was watched ({ends} MB/hour)"
        )


def growth(seconds: Sequence[float], sizes: Sequence[float]) -> Growth | None:
    """The median slope of all pairs of points; null below :data:`FEWEST` points.

    ``seconds`` and ``sizes`` (bytes) belong together, in order of time. Slope: Theil 1950. Its
    interval: Sen 1968, from the variance of Kendall's S with ties (Gilbert 1987, 16.4 and 16.5),
    which :func:`_dependence` raises where neighbours resemble each other. More than 400 points
    are grouped first, each group by its medians.
    """
    if len(seconds) < FEWEST:
        return None
    times, values = (_grouped(np.asarray(it, dtype=np.float64)) for it in (seconds, sizes))
    first, second = np.triu_indices(len(times), k=1)
    slopes = np.sort((values[second] - values[first]) / (times[second] - times[first]))
    slope = float(np.median(slopes))
    variance = _variance_of_s(values) * _dependence(values - slope * times)
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(variance)
    low = max(0, math.floor((len(slopes) - reach) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + reach) / 2))
    per_hour = 3600 / 1e6
    return Growth(
        mb_per_hour=slope * per_hour,
        low=float(slopes[low]) * per_hour,
        high=float(slopes[high]) * per_hour,
        hours=float(times[-1] - times[0]) / 3600,
    )


def _grouped(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if len(values) <= _MOST:
        return values
    return np.array([np.median(group) for group in np.array_split(values, _MOST)])


def _variance_of_s(values: npt.NDArray[np.float64]) -> float:
    """Of Kendall's S for independent values without a trend, equal values taken into account."""
    ties = np.unique(values, return_counts=True)[1]

    def term(n: npt.NDArray[np.int64] | int) -> float:
        return float(np.sum(n * (n - 1) * (2 * n + 5)))

    return max(0.0, (term(len(values)) - term(ties)) / 18)


def _dependence(residuals: npt.NDArray[np.float64]) -> float:
    """By what the variance of S grows since neighbours resemble each other; 1 at least.

    Hamed and Rao 1998: from the autocorrelation of the ranks of what the slope leaves over, as
    far as it is significant.
    """
    count = len(residuals)
    order = np.unique(residuals, return_inverse=True)[1].astype(np.float64)
    ranks = order - order.mean()
    total = float(np.dot(ranks, ranks))
    if not total:
        return 1.0
    limit = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) / math.sqrt(count)
    added = 0.0
    for lag in range(1, count // 4):
        alike = float(np.dot(ranks[lag:], ranks[:-lag])) / total
        if alike < limit:
            break  # further lags are noise: they would make the factor one
        added += (count - lag) * (count - lag - 1) * (count - lag - 2) * alike
    return 1 + 2 * added / (count * (count - 1) * (count - 2))


def _signed(value: float) -> str:
    return f"{value:+.2g}"
