"""A gate that asks for proof: the drop of a metric, paired per image, with its upper bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scunext_edge.errors import ConfigError
from scunext_edge.evaluation.bootstrap import CONFIDENCE, RESAMPLES, resampled_means
from scunext_edge.evaluation.records import METRICS, Evaluation

DEFAULT_LIMITS: Mapping[str, float] = {"dice": 0.005}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Reference minus candidate, over the same images; positive: the candidate is worse."""

    metric: str
    images: int
    mean: float
    upper: float  # the bootstrap bound of the mean at the stated confidence, one-sided
    worst: float
    worst_image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says, and on what grounds."""

    drops: Mapping[str, Drop]  # Dice and IoU always, and every metric that has a limit
    limits: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Whether every bound lies within its limit: shown to be good, not only not shown bad."""
        return all(self.drops[metric].upper <= limit for metric, limit in self.limits.items())


def judge(
    reference: Evaluation,
    candidate: Evaluation,
    *,
    limits: Mapping[str, float] = DEFAULT_LIMITS,
    confidence: float = CONFIDENCE,
) -> Verdict:
    """Compare two evaluations of the same images."""
    check_limits(limits, confidence)
    metrics = dict.fromkeys(["dice", "iou", *limits])
    drops = {
        metric: paired_drop(reference, candidate, metric, confidence=confidence)
        for metric in metrics
    }
    return Verdict(drops=drops, limits=dict(limits))


def paired_drop(
    reference: Evaluation,
    candidate: Evaluation,
    metric: str,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Drop:
    """The mean drop and its bootstrap upper bound (percentile method, images resampled).

    Resampling the differences removes the spread between easy and hard images, which is far
    wider than any effect of quantization.
    """
    ids = tuple(reference.scores)
    if ids != tuple(candidate.scores) or not ids:
        raise ValueError("a paired drop needs the same images in the same order")
    drop = reference.values(metric) - candidate.values(metric)
    means = resampled_means(drop, resamples=resamples, seed=seed)
    worst = int(drop.argmax())
    return Drop(
        metric=metric,
        images=len(drop),
        mean=float(drop.mean()),
        upper=float(np.quantile(means, confidence)),
        worst=float(drop[worst]),
        worst_image=ids[worst],
    )


def check_limits(limits: Mapping[str, float], confidence: float) -> None:
    """Raise ``ConfigError`` for a metric that does not exist, or bounds that mean nothing."""
    for metric, limit in limits.items():
        if metric not in METRICS:
            raise ConfigError(
                f"there is no metric {metric!r}", hint=f"choose one of: {', '.join(METRICS)}"
            )
        if not 0 <= limit < 1:
            raise ConfigError(f"a limit of {limit} on the drop of {metric}", hint="e.g. 0.005")
    if not 0.5 <= confidence < 1:
        raise ConfigError(f"a confidence of {confidence}", hint="use 0.95")
