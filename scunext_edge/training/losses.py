"""The joint loss: 0.5 BCE + Dice + an edge term; ours, since the paper names one, undefined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

REACH = 2  # pixels on either side: the boundary is the gradient over a 5 x 5 window
SMOOTH = 1.0  # keeps a gradient where the truth is empty; 1e-5 would not


def joint_loss(
    logits: Tensor,
    truth: Tensor,
    *,
    edge_weight: float,
    sides: Sequence[Tensor] = (),
    deep: float = 0.0,
) -> Tensor:
    """Mean over a batch. ``logits`` and ``truth`` (0 or 1) are float32 [N, 1, H, W].

    ``sides``: logits [N, 1, h, w] from inside the network, coarsest first. Enlarged to H x W they
    are compared with the truth as well, without an edge term; the finest counts ``deep`` times,
    the others evenly less (five of them at 0.5: 0.1 to 0.5, as in EGE-UNet, arXiv 2307.08473).
    """
    probability = torch.sigmoid(logits)
    loss = _area_loss(logits, probability, truth)
    if edge_weight > 0:
        loss = loss + edge_weight * edge_loss(probability, truth)
    if deep > 0:
        for place, side in enumerate(sides, start=1):
            grown = functional.interpolate(side, truth.shape[2:], mode="bilinear")
            weight = deep * place / len(sides)
            loss = loss + weight * _area_loss(grown, torch.sigmoid(grown), truth)
    return loss


def _area_loss(logits: Tensor, probability: Tensor, truth: Tensor) -> Tensor:
    loss = 0.5 * functional.binary_cross_entropy_with_logits(logits, truth)
    return loss + soft_dice_loss(probability, truth)


def soft_dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """1 - (2 sum py + 1) / (sum p + sum y + 1) per image, then the mean."""
    common = (probability * truth).sum((1, 2, 3))
    total = probability.sum((1, 2, 3)) + truth.sum((1, 2, 3))
    return (1 - (2 * common + SMOOTH) / (total + SMOOTH)).mean()


def edge_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """Dice (with squares below) between the soft boundaries of two maps [N, 1, H, W]."""
    found, real = boundary(probability), boundary(truth)
    common = (found * real).sum((0, 2, 3))
    total = found.square().sum((0, 2, 3)) + real.square().sum((0, 2, 3))
    return (1 - (2 * common + SMOOTH) / (total + SMOOTH)).mean()


def boundary(maps: Tensor) -> Tensor:
    """Morphological gradient, max - min over a 5 x 5 window: [N, 1, H, W] to [1, N, H, W].

    The border is replicated, so that a lesion cut by the frame makes no false edge.
    """
    margins = (REACH, REACH, REACH, REACH)
    padded = functional.pad(maps.transpose(0, 1), margins, mode="replicate")
    if not maps.requires_grad:  # the truth: five times faster than pooling, forward only
        return _running(torch.maximum, padded) - _running(torch.minimum, padded)
    # The batch is the channels of one channels-last image: pooling single-channel maps is four
    # times slower on a CPU.
    padded = padded.contiguous(memory_format=torch.channels_last)
    return _window_max(padded) + _window_max(-padded)


def _window_max(padded: Tensor) -> Tensor:
    width = 2 * REACH + 1
    return functional.max_pool2d(functional.max_pool2d(padded, (1, width), 1), (width, 1), 1)


def _running(extreme: Callable[[Tensor, Tensor], Tensor], padded: Tensor) -> Tensor:
    """The extreme of a window around every pixel, one axis after the other."""
    for axis in (2, 3):
        length = padded.shape[axis] - 2 * REACH
        shifted = (padded.narrow(axis, start, length) for start in range(2 * REACH + 1))
        padded = reduce(extreme, shifted)
    return padded
