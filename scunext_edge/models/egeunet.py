"""EGE-UNet: learned maps and grouped skips in a U-Net (Ruan et al., MICCAI 2023, 2307.08473).

Written from the paper; the official code settles what that leaves open (order of the blocks,
which convolutions, aligned corners). It gives probabilities, this one logits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from scunext_edge.models.contract import check_sides
from scunext_edge.models.grouped import WIDTHS, Dilated, Down, Up, convolution, enlarge, initialise

DILATIONS = (1, 2, 5, 7)  # of the four channel groups of a skip
SIDE = 8  # of a learned map, whatever the size of the features


class EGEUNet(nn.Module):
    """Three convolutions down, three stages of Hadamard attention, and the same back up.

    On the way up every level gives a coarse mask, which steers the skip of its level. Training
    compares these five masks with the truth (:meth:`side_heads`).
    """

    def __init__(self) -> None:
        super().__init__()
        c1, c2, c3, c4, c5, c6 = WIDTHS
        self.down1 = Down(convolution(3, c1), c1)
        self.down2 = Down(convolution(c1, c2), c2)
        self.down3 = Down(convolution(c2, c3), c3)
        self.down4 = Down(HadamardAttention(c3, c4), c4)
        self.down5 = Down(HadamardAttention(c4, c5), c5)
        self.bottom = HadamardAttention(c5, c6)
        self.ups = nn.ModuleList(
            (
                Up(HadamardAttention(c6, c5), c5, grow=False),
                Up(HadamardAttention(c5, c4), c4),
                Up(HadamardAttention(c4, c3), c3),
                Up(convolution(c3, c2), c2),
                Up(convolution(c2, c1), c1),
            )
        )
        self.masks = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in (c5, c4, c3, c2, c1))
        self.skips = nn.ModuleList(
            GroupedSkip(deep, width)
            for deep, width in ((c6, c5), (c5, c4), (c4, c3), (c3, c2), (c2, c1))
        )
        self.final = nn.Conv2d(c1, 1, 1)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """float32 [N, 3, H, W], H and W multiples of 32, to logits [N, 1, H, W]."""
        check_sides(image.shape[2], image.shape[3])
        features = [image]
        for down in (self.down1, self.down2, self.down3, self.down4, self.down5):
            features.append(down(features[-1]))
        y = deep = functional.gelu(self.bottom(features[-1]))
        levels = zip(self.ups, self.masks, self.skips, reversed(features[1:]), strict=True)
        for up, mask, skip, feature in levels:
            y = up(y)
            deep = skip(deep, feature, mask(y))
            y = y + deep
        return enlarge(self.final(y))

    def side_heads(self) -> Sequence[nn.Module]:
        """The masks at 1/32, 1/16, 1/8, 1/4 and 1/2; they are part of the deployed network."""
        return list(self.masks)


class LearnedMap(nn.Module):
    """A learned map, brought to the size of the features and mixed by two convolutions.

    ``shape``: 8 x 8 for a map over pixels; 8 x 1 or 1 x 8 for one over rows or columns. It does
    not depend on the image, so that an export for one size holds the result as a constant.
    """

    def __init__(self, channels: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.values = nn.Parameter(torch.ones(1, channels, *shape))
        kernel = (min(3, shape[0]), min(3, shape[1]))
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels)
        self.pointwise = nn.Conv2d(channels, channels, 1)

    def forward(self, height: int, width: int) -> Tensor:
        """[1, C, height, width], where an axis of length 1 stays so."""
        sides = tuple(
            1 if own == 1 else side for own, side in zip(self.shape, (height, width), strict=True)
        )
        grown = functional.interpolate(self.values, sides, mode="bilinear", align_corners=True)
        seen = self.depthwise(grown)
        # GELU in full: the exporter computes everything here in advance, but has no Gelu for that
        mixed: Tensor = self.pointwise(0.5 * seen * (1 + torch.erf(math.sqrt(0.5) * seen)))
        return mixed


class HadamardAttention(nn.Module):
    """Grouped multi-axis Hadamard product attention (GHPA).

    Three quarters of the channels are multiplied by learned maps, over pixels, channels and rows,
    channels and columns; the last one passes a depthwise convolution.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        quarter = channels_in // 4
        self.norm_in = ChannelNorm(channels_in)
        self.pixels = LearnedMap(quarter, (SIDE, SIDE))
        self.rows = LearnedMap(quarter, (SIDE, 1))
        self.columns = LearnedMap(quarter, (1, SIDE))
        self.local = nn.Sequential(nn.Conv2d(quarter, quarter, 1), nn.GELU(), Dilated(quarter, 1))
        self.norm_out = ChannelNorm(channels_in)
        self.out = nn.Sequential(
            Dilated(channels_in, 1), nn.GELU(), nn.Conv2d(channels_in, channels_out, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] to [N, C_out, H, W]."""
        height, width = x.shape[2:]
        first, second, third, fourth = self.norm_in(x).chunk(4, dim=1)
        parts = (
            first * self.pixels(height, width),
            second * self.rows(height, width),
            third * self.columns(height, width),
            self.local(fourth),
        )
        mixed: Tensor = self.out(self.norm_out(torch.cat(parts, dim=1)))
        return mixed


class GroupedSkip(nn.Module):
    """Group aggregation bridge (GAB): features of two levels and a mask, in four dilated groups."""

    def __init__(self, channels_deep: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels_deep, channels, 1)
        width = channels // 2 + 1  # a quarter of either level, and the mask
        self.groups = nn.ModuleList(
            nn.Sequential(ChannelNorm(width), Dilated(width, rate)) for rate in DILATIONS
        )
        joined = len(DILATIONS) * width
        self.join = nn.Sequential(ChannelNorm(joined), nn.Conv2d(joined, channels, 1))

    def forward(self, deep: Tensor, feature: Tensor, mask: Tensor) -> Tensor:
        """``deep`` [N, C_deep, H, W] or half as large; ``feature`` [N, C, H, W]; ``mask`` of 1."""
        deep = self.project(deep)
        if deep.shape[2:] != feature.shape[2:]:
            deep = enlarge(deep)
        quarters = zip(self.groups, deep.chunk(4, dim=1), feature.chunk(4, dim=1), strict=True)
        seen = [group(torch.cat((one, two, mask), dim=1)) for group, one, two in quarters]
        joined: Tensor = self.join(torch.cat(seen, dim=1))
        return joined


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to the same shape."""
        normed: Tensor = self.norm(x.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)
