"""The joint loss: 0.5 BCE + Dice + an edge term; ours, since the paper names one, undefined."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

REACH = 2  # pixels on either side: the boundary is the gradient over a 5 x 5 window
SMOOTH = 1.0  # keeps a gradient where the truth is empty; 1e-5 would not


def joint_loss(logits: Tensor, truth: Tensor, *, edge_weight: float) -> Tensor:
    """Mean over a batch. ``logits`` and ``truth`` (0 or 1) are float32 [N, 1, H, W]."""
    probability = torch.sigmoid(logits)
    loss = 0.5 * functional.binary_cross_entropy_with_logits(logits, truth)
    loss = loss + soft_dice_loss(probability, truth)
    if edge_weight > 0:
        loss = loss + edge_weight * edge_loss(probability, truth)
    return loss


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
