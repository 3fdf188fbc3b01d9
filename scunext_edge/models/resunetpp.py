"""ResUNet++ (Jha et al., ISM 2019), layer for layer like its authors' PyTorch version.

The second preset in the registry, ``resunetpp-paper``, has widths that were fitted to the size
and cost printed in the SC-UNeXt paper; they mean nothing beyond that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scunext_edge.models.contract import check_sides

DILATIONS = (1, 6, 12, 18)


class ResUNetPP(nn.Module):
    """Residual U-Net with squeeze and excitation, dilated pyramids and gated skips.

    Takes float32 [N, 3, H, W], already normalised; gives logits, float32 [N, 1, H, W]. ``widths``
    are the channels of the four encoder levels, which halve the image three times, and of the
    bridge. The logits come without a sigmoid.
    """

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 128, 256)) -> None:
        super().__init__()
        full, half, quarter, eighth, bridge = widths
        self.stem = Residual(3, full, preactivated=False)
        self.encoder2 = Residual(full, half, stride=2)
        self.encoder3 = Residual(half, quarter, stride=2)
        self.encoder4 = Residual(quarter, eighth, stride=2)
        self.bridge = DilatedPyramid(eighth, bridge)
        self.decoder3 = Decoder(skip=quarter, deep=bridge, width=eighth)
        self.decoder2 = Decoder(skip=half, deep=eighth, width=quarter)
        self.decoder1 = Decoder(skip=full, deep=quarter, width=half)
        self.pyramid = DilatedPyramid(half, full)
        self.head = nn.Conv2d(full, 1, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the image's own height and width, which are multiples of 32."""
        check_sides(image.shape[2], image.shape[3])
        full = self.stem(image)
        half = self.encoder2(full)
        quarter = self.encoder3(half)
        deep = self.bridge(self.encoder4(quarter))
        deep = self.decoder3(quarter, deep)
        deep = self.decoder2(half, deep)
        deep = self.decoder1(full, deep)
        logits: Tensor = self.head(self.pyramid(deep))
        return logits


class Residual(nn.Module):
    """Two 3x3 convolutions beside a 1x1 shortcut, then squeeze and excitation.

    ``preactivated`` puts batch norm and ReLU before the first convolution as well; the stem,
    which sees the image itself, goes without.
    """

    def __init__(
        self, channels: int, width: int, *, stride: int = 1, preactivated: bool = True
    ) -> None:
        super().__init__()
        before = _norm_relu(channels) if preactivated else []
        self.convolutions = nn.Sequential(
            *before,
            nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1),
            *_norm_relu(width),
            nn.Conv2d(width, width, kernel_size=3, padding=1),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=1, stride=stride), nn.BatchNorm2d(width)
        )
        self.excitation = SqueezeExcitation(width)

    def forward(self, features: Tensor) -> Tensor:
        scaled: Tensor = self.excitation(self.convolutions(features) + self.shortcut(features))
        return scaled


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the means of all channels."""

    def __init__(self, channels: int, *, reduction: int = 8) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        gate: Tensor = self.gate(features.mean(dim=(2, 3)))
        return features * gate[:, :, None, None]


class DilatedPyramid(nn.Module):
    """Four 3x3 convolutions of growing dilation, summed and mixed by a 1x1 one."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, width, kernel_size=3, dilation=rate, padding=rate),
                nn.BatchNorm2d(width),
            )
            for rate in DILATIONS
        )
        self.mix = nn.Conv2d(width, width, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        first, *others = self.branches
        total = first(features)
        for branch in others:
            total = total + branch(features)
        mixed: Tensor = self.mix(total)
        return mixed


class Attention(nn.Module):
    """Multiply the deep features by weights computed from them and from the skip."""

    def __init__(self, skip: int, deep: int) -> None:
        super().__init__()
        self.from_skip = nn.Sequential(
            *_norm_relu(skip), nn.Conv2d(skip, deep, kernel_size=3, padding=1), nn.MaxPool2d(2)
        )
        self.from_deep = _norm_relu_convolution(deep)
        self.joint = _norm_relu_convolution(deep)

    def forward(self, skip: Tensor, deep: Tensor) -> Tensor:
        weights: Tensor = self.joint(self.from_skip(skip) + self.from_deep(deep))
        return weights * deep


class Decoder(nn.Module):
    """Attention, upsampling by repetition, concatenation with the skip, residual block."""

    def __init__(self, *, skip: int, deep: int, width: int) -> None:
        super().__init__()
        self.attention = Attention(skip, deep)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.residual = Residual(skip + deep, width)

    def forward(self, skip: Tensor, deep: Tensor) -> Tensor:
        raised = self.up(self.attention(skip, deep))
        features: Tensor = self.residual(torch.cat([raised, skip], dim=1))
        return features


def _norm_relu(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


def _norm_relu_convolution(channels: int) -> nn.Sequential:
    return nn.Sequential(
        *_norm_relu(channels), nn.Conv2d(channels, channels, kernel_size=3, padding=1)
    )
