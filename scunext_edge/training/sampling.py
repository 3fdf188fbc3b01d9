"""Which pictures an epoch of training meets, and in which order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

BINS = 8  # of lesion sizes, equally wide in the square root of the share of the frame


def drawn(masks: Tensor, balance: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Numbers of pictures, as many as there are masks (0/1 [N, H, W]): each once, in random order.

    A share ``balance`` of them is replaced by pictures whose lesions are of every size alike:
    first a size is drawn, then a picture with such a lesion. Few lesions fill the frame, and few
    are specks; without this they are met as seldom as they are found.
    """
    order = rng.permutation(len(masks))
    if balance > 0:
        bins = _by_size(masks)
        for place in np.flatnonzero(rng.random(len(order)) < balance):
            alike = bins[rng.integers(len(bins))]
            order[place] = alike[rng.integers(len(alike))]
    return order


def _by_size(masks: Tensor) -> list[npt.NDArray[np.int64]]:
    """Numbers of the pictures in each bin that has any."""
    shares = masks.numpy().mean((1, 2), dtype=np.float64)
    bins = np.minimum((np.sqrt(shares) * BINS).astype(int), BINS - 1)
    return [np.flatnonzero(bins == each) for each in np.unique(bins)]
