"""How sure a percentile of latency is, and a ratio of two of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95  # of an interval
BOUND_CONFIDENCE = 0.99  # of MLPerf's early stopping
_RESAMPLES = 400  # for a standard error: 4 % of it is left to chance
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A percentile of all values, with the standard error of its logarithm.

    ``error`` is null where there is only one process: nothing is known about others then.
    """

    value: float
    error: float | None
    freedom: float  # degrees of it: processes less one

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Lower and upper end, by Student's t on the logarithm."""
        if self.error is None:
            return None
        reach = t_quantile((1 + confidence) / 2, self.freedom) * self.error
        return self.value * math.exp(-reach), self.value * math.exp(reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """What a percentile of one run is of another's, with its standard error on the logarithm."""

    value: float
    error: float
    freedom: float

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Lower and upper end; the ratio itself lies in their geometric middle."""
        reach = t_quantile((1 + confidence) / 2, self.freedom) * self.error
        return self.value * math.exp(-reach), self.value * math.exp(reach)


def estimate(
    processes: Sequence[Sequence[float]], percentiles: Sequence[float]
) -> dict[float, Estimate]:
    """Each percentile (in percent) of the values of all processes together.

    Standard errors come from a block bootstrap whose blocks are the processes: they are drawn
    with replacement, each with all its values, so that neither the luck of a process nor values
    that resemble their neighbours pass for independent evidence (Davison and Hinkley 1997,
    section 3.8: resampling inside the blocks as well would count their spread twice). Drawing
    k of k blocks understates their variance; the factor k / (k - 1) mends it.
    """
    logs = [np.log(np.maximum(np.asarray(values, dtype=np.float64), 1)) for values in processes]
    found = np.exp(np.percentile(np.concatenate(logs), percentiles))
    count = len(logs)
    if count < 2:
        errors: list[float | None] = [None] * len(percentiles)
    else:
        drawn = _resampled(logs, percentiles)
        errors = list(np.std(drawn, axis=0, ddof=1) * math.sqrt(count / (count - 1)))
    return {
        percentile: Estimate(
            value=float(value),
            error=None if error is None else float(error),
            freedom=count - 1,
        )
        for percentile, value, error in zip(percentiles, found, errors, strict=True)
    }


def ratio(of: Estimate, to: Estimate) -> Ratio | None:
    """``of`` by ``to``; null where one of them has no error. Degrees of freedom: Welch."""
    if of.error is None or to.error is None:
        return None
    parts = [(it.error or 0.0) ** 2 for it in (of, to)]
    total = sum(parts)
    below = sum(part**2 / it.freedom for part, it in zip(parts, (of, to), strict=True))
    return Ratio(
        value=of.value / to.value,
        error=math.sqrt(total),
        freedom=total**2 / below if below else of.freedom + to.freedom,
    )


def upper_bound(
    values: Sequence[float], percentile: float, confidence: float = BOUND_CONFIDENCE
) -> float | None:
    """What the percentile of infinitely many calls stays below; null: too few values to say.

    MLPerf Inference's early stopping for one stream, with its confidence of 99 % and its
    tolerance of 0: the t-th largest value, t the largest number of values over a limit that is
    compatible with the percentile lying below that limit. Assumes independent values.
    """
    count, beyond = len(values), 1 - percentile / 100
    over = 0
    while over < count and binomial(over + 1, count, beyond) <= 1 - confidence:
        over += 1
    return float(sorted(values)[count - over]) if over else None


def values_needed(percentile: float, confidence: float = BOUND_CONFIDENCE) -> int:
    """The fewest values for which :func:`upper_bound` says anything: 662 for p99."""
    beyond, count = 1 - percentile / 100, 2
    while binomial(1, count, beyond) > 1 - confidence:
        count += 1
    return count


def t_quantile(probability: float, freedom: float) -> float:
    """Student's t; within 0.2 % from three degrees of freedom on, exact for one and two.

    Abramowitz and Stegun 1964, 26.7.5; closed forms below three.
    """
    p = probability
    if freedom < 2:
        return math.tan(math.pi * (p - 0.5))
    if freedom < 3:
        return (2 * p - 1) * math.sqrt(2 / (4 * p * (1 - p)))
    z = NormalDist().inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def _resampled(
    logs: Sequence[npt.NDArray[np.float64]], percentiles: Sequence[float]
) -> npt.NDArray[np.float64]:
    """float64 [_RESAMPLES, len(percentiles)]."""
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(len(logs), size=(_RESAMPLES, len(logs)))
    return np.array(
        [np.percentile(np.concatenate([logs[it] for it in row]), percentiles) for row in drawn]
    )


def binomial(most: int, count: int, chance: float) -> float:
    """The probability of at most ``most`` events in ``count`` trials."""
    logs = (
        math.lgamma(count + 1)
        - math.lgamma(k + 1)
        - math.lgamma(count - k + 1)
        + k * math.log(chance)
        + (count - k) * math.log1p(-chance)
        for k in range(min(most, count) + 1)
    )
    return min(1.0, math.fsum(math.exp(log) for log in logs))
