"""Pre-training on the training images alone: hidden patches are restored, and no mask is asked for.

Masked image modelling with an L1 loss on hidden pixels, as in SimMIM (Xie et al., arXiv
2111.09886), whose share of hidden patches and whose plain linear head it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from scunext_edge.training.sides import outputs, stages_of

GRID = 8  # patches along either side of the frame: 32 pixels at 256
HIDDEN = 0.6  # of the patches


class WithRestorer(nn.Module):
    """``network`` with a 1x1 convolution on its decoder's finest level, to 2 x 2 pixels a place.

    As the heads of ``sides.WithHeads``: made after the network, run in training alone, not saved.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.restorer = nn.Conv2d(self._finest()[1], 3 * 4, 1)

    def forward(self, image: Tensor) -> Tensor:
        """As the network's own."""
        if not (self.training and torch.is_grad_enabled()):
            logits: Tensor = self.network(image)
            return logits
        finest, _ = self._finest()
        with outputs([finest]) as given:
            logits = self.network(image)
        self.restorer(given[finest])
        return logits

    def _finest(self) -> tuple[nn.Module, int]:
        what = "to restore hidden patches from"
        return stages_of(self.network, what=what, setting="restore")[-1]


@contextmanager
def restored(network: nn.Module) -> Iterator[list[Tensor]]:
    """What the restorer inside ``network`` gives while the block runs: [N, 3, H, W], -1 to 1.

    The list is filled when the block ends; it stays empty for a network without one.
    """
    heads = [it.restorer for it in network.modules() if isinstance(it, WithRestorer)]
    found: list[Tensor] = []
    with outputs(heads) as given:
        yield found
    found.extend(functional.pixel_shuffle(given[head].float(), 2) for head in heads)


def hide(images: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """float32 [N, H, W, 3] with patches in the image's mean colour, and where: [N, 1, H, W].

    H and W are multiples of 8.
    """
    count, height, width, _ = images.shape
    drawn = torch.from_numpy(rng.random((count, 1, GRID, GRID)) < HIDDEN).to(images.device)
    where = drawn.repeat_interleave(height // GRID, 2).repeat_interleave(width // GRID, 3)
    mean = images.mean((1, 2), keepdim=True)
    return torch.where(where.permute(0, 2, 3, 1), mean, images), where


def restoring_loss(found: Tensor, images: Tensor, where: Tensor) -> Tensor:
    """Mean absolute error over hidden pixels; ``images``: float32 [N, H, W, 3] in 0..255."""
    error = (found - (images / 127.5 - 1).permute(0, 3, 1, 2)).abs() * where
    return error.sum() / (3 * where.sum()).clamp_min(1)
