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
    missed: float = 0.5,
    focal: float = 1.0,
    taught: Tensor | None = None,
    distil: float = 0.0,
) -> Tensor:
    """Mean over a batch. ``logits`` and ``truth`` (0 to 1) are float32 [N, 1, H, W].

    ``sides``: logits [N, 1, h, w] from inside the network, coarsest first. Enlarged to H x W they
    are compared with the truth as well, without an edge term; the finest counts ``deep`` times,
    the others evenly less (five of them at 0.5: 0.1 to 0.5, as in EGE-UNet, arXiv 2307.08473).
    ``missed`` and ``focal`` make the Dice term one of :func:`tversky_loss`.

    ``taught``: a teacher's probabilities [N, 1, H, W]; their cross-entropy counts ``distil`` times
    (Hinton et al., arXiv 1503.02531, without a temperature: pixels that the teacher is unsure of
    are soft as they are).
    """
    probability = torch.sigmoid(logits)
    loss = _area_loss(logits, probability, truth, missed, focal)
    if edge_weight > 0:
        loss = loss + edge_weight * edge_loss(probability, truth)
    if deep > 0:
        for place, side in enumerate(sides, start=1):
            grown = functional.interpolate(side, truth.shape[2:], mode="bilinear")
            weight = deep * place / len(sides)
            loss = loss + weight * _area_loss(grown, torch.sigmoid(grown), truth, missed, focal)
    if taught is not None:
        loss = loss + distil * functional.binary_cross_entropy_with_logits(logits, taught)
    return loss


def _area_loss(
    logits: Tensor, probability: Tensor, truth: Tensor, missed: float, focal: float
) -> Tensor:
    loss = 0.5 * functional.binary_cross_entropy_with_logits(logits, truth)
    if missed == 0.5 and focal == 1:
        return loss + soft_dice_loss(probability, truth)
    return loss + tversky_loss(probability, truth, missed=missed, focal=focal)


def soft_dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """1 - (2 sum py + 1) / (sum p + sum y + 1) per image, then the mean."""
    common = (probability * truth).sum((1, 2, 3))
    total = probability.sum((1, 2, 3)) + truth.sum((1, 2, 3))
    return (1 - (2 * common + SMOOTH) / (total + SMOOTH)).mean()


def tversky_loss(probability: Tensor, truth: Tensor, *, missed: float, focal: float) -> Tensor:
    """(1 - TP / (TP + missed FN + (1 - missed) FP)) to the power ``focal`` per image; the mean.

    Above 0.5, ``missed`` asks for recall (Salehi et al., arXiv 1706.05721); at 0.5 it is
    :func:`soft_dice_loss`. A power below 1 weighs down what is nearly right less than the rest is
    (Abraham and Khan, arXiv 1810.07842, use 0.75).
    """
    common = (probability * truth).sum((1, 2, 3))
    found, real = probability.sum((1, 2, 3)), truth.sum((1, 2, 3))
    total = common + missed * (real - common) + (1 - missed) * (found - common)
    lacking = 1 - (common + SMOOTH / 2) / (total + SMOOTH / 2)
    return lacking.clamp_min(1e-6).pow(focal).mean()


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
