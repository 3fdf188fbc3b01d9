"""U-Net (Ronneberger et al., MICCAI 2015) as it is built today: padded, with batch norm.

The widths of the default are those of the U-Net that UNeXt was compared with. The second preset
in the registry, ``unet-paper``, has widths that were fitted to the size and cost printed in the
SC-UNeXt paper; they mean nothing beyond that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from scunext_edge.models.contract import check_sides


class UNet(nn.Module):
    """Encoder and decoder with a skip by concatenation at every level.

    Takes float32 [N, 3, H, W], already normalised; gives logits, float32 [N, 1, H, W]. ``widths``
    are the channels from the full resolution downwards; each further level halves the image.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 256, 512)) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(
            _two_convolutions(before, after) for before, after in pairwise((3, *widths))
        )
        self.decoder = nn.ModuleList(
            _two_convolutions(skip + deep, skip) for skip, deep in reversed(list(pairwise(widths)))
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.head = nn.Conv2d(widths[0], 1, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the image's own height and width, which are multiples of 32."""
        check_sides(image.shape[2], image.shape[3])
        first, *deeper = self.encoder
        features = first(image)
        skips = []
        for stage in deeper:
            skips.append(features)
            features = stage(self.pool(features))
        for stage in self.decoder:
            features = stage(torch.cat([skips.pop(), self.up(features)], dim=1))
        logits: Tensor = self.head(features)
        return logits


def _two_convolutions(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, kernel_size=3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
