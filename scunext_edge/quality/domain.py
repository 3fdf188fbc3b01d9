"""How far a picture is from those that a network was trained on, by its looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scunext_edge.quality.signals import looks
from scunext_edge.spec import Image

SHRINK = 0.05  # towards a diagonal: no direction may count without end


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """The looks of the training pictures: their mean, and the inverse of their covariance."""

    mean: tuple[float, ...]
    inverse: tuple[tuple[float, ...], ...]

    def distance(self, image: Image) -> float:
        """Mahalanobis' distance of uint8 [H, W, 3], at the network's size."""
        return self.distance_of(looks(image))

    def distance_of(self, seen: npt.NDArray[np.float64]) -> float:
        """The same of what ``looks`` gave."""
        apart = seen - np.array(self.mean)
        return math.sqrt(max(float(apart @ np.array(self.inverse) @ apart), 0.0))


def fit_domain(seen: Sequence[npt.NDArray[np.float64]]) -> Domain:
    """From the looks of many pictures, their covariance shrunk."""
    values = np.array(seen)
    covariance = np.cov(values, rowvar=False)
    shrunk = (1 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance))
    inverse = np.linalg.inv(shrunk)
    return Domain(
        mean=tuple(float(it) for it in values.mean(axis=0)),
        inverse=tuple(tuple(float(it) for it in row) for row in inverse),
    )
