"""MALUNet: a U-Net of gated, external and bridged attention (Ruan et al., BIBM 2022, 2211.01784).

Written from the paper; the official code settles what that leaves open (order of the blocks,
where GroupNorm stands, aligned corners). It gives probabilities, this one logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from scunext_edge.models.contract import check_sides
from scunext_edge.models.grouped import (
    GROUPS,
    WIDTHS,
    Dilated,
    Down,
    Up,
    convolution,
    enlarge,
    initialise,
)

DILATIONS = (7, 5, 2, 1)  # of the four channel groups of a gated attention block
MEMORY = 4  # entries of the external memory for each channel


class MALUNet(nn.Module):
    """Three convolutions down, three attention stages, and the same back up."""

    def __init__(self) -> None:
        super().__init__()
        c1, c2, c3, c4, c5, c6 = WIDTHS
        self.down1 = Down(convolution(3, c1), c1)
        self.down2 = Down(convolution(c1, c2), c2)
        self.down3 = Down(convolution(c2, c3), c3)
        self.down4 = Down(_attend_down(c3, c4), c4)
        self.down5 = Down(_attend_down(c4, c5), c5)
        self.bottom = _attend_down(c5, c6)
        self.bridge = Bridge(WIDTHS[:5])
        self.up5 = Up(_attend_up(c6, c5), c5, grow=False)
        self.up4 = Up(_attend_up(c5, c4), c4)
        self.up3 = Up(_attend_up(c4, c3), c3)
        self.up2 = Up(convolution(c3, c2), c2)
        self.up1 = Up(convolution(c2, c1), c1)
        self.final = nn.Conv2d(c1, 1, 1)
        initialise(self)
        for block in self.modules():
            if isinstance(block, ExternalAttention):
                block.tie()

    def forward(self, image: Tensor) -> Tensor:
        """float32 [N, 3, H, W], H and W multiples of 32, to logits [N, 1, H, W]."""
        check_sides(image.shape[2], image.shape[3])
        x1 = self.down1(image)
        x2 = self.down2(x1)
        x3 = self.down3(x2)
        x4 = self.down4(x3)
        x5 = self.down5(x4)
        s1, s2, s3, s4, s5 = self.bridge((x1, x2, x3, x4, x5))
        y = self.up5(functional.gelu(self.bottom(x5))) + s5
        y = self.up4(y) + s4
        y = self.up3(y) + s3
        y = self.up2(y) + s2
        y = self.up1(y) + s1
        return enlarge(self.final(y))


class Separable(nn.Module):
    """Depthwise convolution, GroupNorm, 1x1 convolution."""

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int = 3) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels_in, channels_in, kernel, padding=kernel // 2, groups=channels_in
        )
        self.norm = nn.GroupNorm(GROUPS, channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] to [N, C_out, H, W]."""
        mixed: Tensor = self.pointwise(self.norm(self.depthwise(x)))
        return mixed


class GatedAttention(nn.Module):
    """Dilated gated attention (DGA): four dilations look around, then one branch gates another.

    Global and local information come from channel groups of falling dilation; a gated attention
    unit (5x5 features weighed by a 3x3 gate) brings them to the width that goes out.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        width = channels_in // len(DILATIONS)
        self.around = nn.ModuleList(Dilated(width, rate) for rate in DILATIONS)
        self.norm = nn.GroupNorm(GROUPS, channels_in)
        self.mix = nn.Conv2d(channels_in, channels_in, 1)
        self.gate = Separable(channels_in, channels_in)
        self.feature = Separable(channels_in, channels_in, kernel=5)
        self.out = Separable(channels_in, channels_out)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] to [N, C_out, H, W]."""
        parts = zip(self.around, x.chunk(len(DILATIONS), dim=1), strict=True)
        seen = torch.cat([around(part) for around, part in parts], dim=1)
        seen = functional.gelu(self.mix(self.norm(seen)))
        gated = torch.sigmoid(self.gate(seen)) * functional.gelu(self.feature(seen))
        given: Tensor = functional.gelu(self.out(gated)) + self.shortcut(seen)
        return given


class ExternalAttention(nn.Module):
    """Inverted external attention (IEA): a memory of 4C entries that all images share.

    Each entry is compared with every pixel (``keys``), the result is normalised over the pixels
    and then over the entries, and read out (``values``). Both start as each other's transpose;
    after the first step they are weights of their own, as on the GPU of the official code.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, channels, 1)
        self.keys = nn.Conv2d(channels, MEMORY * channels, 1, bias=False)
        self.values = nn.Conv2d(MEMORY * channels, channels, 1, bias=False)
        self.leave = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.tie()

    def tie(self) -> None:
        """Make ``values`` the transpose of ``keys``."""
        with torch.no_grad():
            self.values.weight.copy_(self.keys.weight.transpose(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to the same shape."""
        likeness = self.keys(self.enter(x))
        # exp(log a) / sum(exp(log a)): a softmax over the entries divides by their sum, and the
        # logarithm keeps shares of 1 / HW from vanishing in half precision
        over_pixels = likeness.flatten(2).log_softmax(dim=2).view(likeness.shape)
        read = self.values(over_pixels.softmax(dim=1))
        return functional.gelu(self.norm(self.leave(read)) + x)


class Bridge(nn.Module):
    """All five skips weigh each other: pixels by one shared convolution, channels across levels.

    SAB and CAB of the paper, each with its residual: y = u + (u + x) * channel(u + x) with
    u = x * pixel(x).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.pixels = nn.Conv2d(2, 1, 7, padding=9, dilation=3)
        self.across = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.channels = nn.ModuleList(nn.Linear(sum(widths), width) for width in widths)

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Maps of five sizes to maps of the same shapes."""
        by_pixel = [x * self._pixel_weights(x) for x in skips]
        summed = [u + x for u, x in zip(by_pixel, skips, strict=True)]
        means = torch.cat([x.mean((2, 3)) for x in summed], dim=1)
        means = self.across(means.unsqueeze(1)).squeeze(1)
        weights = (torch.sigmoid(linear(means))[:, :, None, None] for linear in self.channels)
        return [u + x * w for u, x, w in zip(by_pixel, summed, weights, strict=True)]

    def _pixel_weights(self, x: Tensor) -> Tensor:
        summary = torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), dim=1)
        return torch.sigmoid(self.pixels(summary))


def _attend_down(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(ExternalAttention(channels_in), GatedAttention(channels_in, channels_out))


def _attend_up(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(GatedAttention(channels_in, channels_out), ExternalAttention(channels_out))
