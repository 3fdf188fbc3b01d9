"""One picture seen in the eight ways that a square has: what they agree on, and where they do not.

Averaging a network's answers over symmetries of its input is test-time augmentation; that their
spread tells where a mask is doubtful, Wang et al. show ("Aleatoric uncertainty estimation with
test-time augmentation for medical image segmentation", Neurocomputing 2019, arXiv 1807.07356).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scunext_edge.spec import Array, Image

Plane = npt.NDArray[np.float32]  # [S, S]

# quarter turns, then whether mirrored: the picture as it is comes first
SYMMETRIES = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
MOST = 0.5  # a probability deviates by no more: four views of eight say 0, four say 1
_LEAST = 1e-7  # of a mean probability, and of its complement, so that its logit is finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What eight views say together, at the network's size."""

    logits: Plane  # of the mean probability
    deviation: Plane  # standard deviation of the probability over the views, 0 to 0.5


def seen(array: Array, turns: int, mirrored: bool) -> Array:
    """A square array [S, S, ...], turned by quarters, then mirrored left to right."""
    turned = np.rot90(array, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def unseen(array: Array, turns: int, mirrored: bool) -> Array:
    """The inverse of :func:`seen`."""
    return np.ascontiguousarray(np.rot90(array[:, ::-1] if mirrored else array, -turns))


def chances_of(logits: Plane) -> npt.NDArray[np.float64]:
    """The logistic function in float64, however large a logit is."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64))))


def look(image: Image, infer: Callable[[Image], Plane], first: Plane) -> Views:
    """Ask ``infer`` about seven more views of uint8 [S, S, 3]; ``first`` is its answer as it is."""
    answers = [first]
    answers += [unseen(infer(seen(image, *view)), *view) for view in SYMMETRIES[1:]]
    chances = chances_of(np.stack(answers))
    mean = np.clip(chances.mean(axis=0), _LEAST, 1 - _LEAST)
    return Views(
        logits=np.log(mean / (1 - mean)).astype(np.float32),
        deviation=chances.std(axis=0).astype(np.float32),
    )
