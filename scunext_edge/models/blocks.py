"""Parts that UNeXt and SC-UNeXt share: token MLP, patch embedding, decoder step, CBAM."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SHIFTS = (-2, -1, 0, 1, 2)  # pixels, one per channel group (UNeXt, arXiv 2203.04967, 3.2)


def shift(tokens_nhwc: Tensor, axis: int) -> Tensor:
    """Move five channel groups by -2 to 2 pixels along ``axis`` (1: height, 2: width), zero-filled.

    Pad and slice instead of roll: bit-equal, and every exporter takes it. The groups are those of
    ``torch.chunk``: as wide as possible, the last one narrower (64 channels: 13, 13, 13, 13, 12).
    """
    reach = SHIFTS[-1]
    length, channels = tokens_nhwc.shape[axis], tokens_nhwc.shape[3]
    margins = (0, 0, reach, reach) if axis == 2 else (0, 0, 0, 0, reach, reach)
    padded = functional.pad(tokens_nhwc, margins)
    width = -(-channels // len(SHIFTS))
    groups = [
        padded[..., start : start + width].narrow(axis, reach - by, length)
        for by, start in zip(SHIFTS, range(0, channels, width), strict=True)
    ]
    return torch.cat(groups, dim=3)


class TokenMLP(nn.Module):
    """UNeXt's tokenised MLP block with its closing LayerNorm: [N, C, H, W] to the same shape.

    x + fc2(shift_w(gelu(dwconv(fc1(shift_h(norm(x))))))), then LayerNorm. The official code
    shifts along the height first, the paper says width first; the code's order is kept.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, channels)
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.fc2 = nn.Linear(channels, channels)
        self.norm_out = nn.LayerNorm(channels)
        for linear in (self.fc1, self.fc2):
            nn.init.trunc_normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Mix channels and near pixels."""
        tokens = x.permute(0, 2, 3, 1)
        mixed = self.fc1(shift(self.norm(tokens), axis=1))
        mixed = functional.gelu(self.dwconv(mixed.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        mixed = self.fc2(shift(mixed, axis=2))
        normed: Tensor = self.norm_out(tokens + mixed)
        return normed.permute(0, 3, 1, 2)


class PatchEmbed(nn.Module):
    """Overlapping patches: convolution 3x3 of stride 2, then LayerNorm; halves height and width."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] to [N, C_out, H / 2, W / 2]."""
        normed: Tensor = self.norm(self.proj(x).permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


class EncoderStep(nn.Module):
    """Convolution 3x3, BatchNorm, max-pool 2, ReLU: UNeXt's convolutional stage."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] to [N, C_out, H / 2, W / 2]."""
        return functional.relu(functional.max_pool2d(self.bn(self.conv(x)), 2))


class DecoderStep(nn.Module):
    """Convolution 3x3, BatchNorm (optional), bilinear x2, ReLU: one step up."""

    def __init__(self, channels_in: int, channels_out: int, *, norm: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels_out) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] to [N, C_out, 2H, 2W]."""
        return functional.relu(upsample(self.bn(self.conv(x))))


class CBAM(nn.Module):
    """Channel, then spatial attention (Woo et al., ECCV 2018): [N, C, H, W] to the same shape.

    The hidden width is max(8, C / 16): with C / 16 alone a network of 8 to 64 channels has one
    hidden unit, which dies in most random starts (no gradient reaches the channel attention).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(8, channels // 16)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)
        self.spatial = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh channels, then pixels."""
        # mean and amax, not pooling layers: those export as index arithmetic after a permute
        average, peak = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * torch.sigmoid(self._mlp(average) + self._mlp(peak))
        summary = torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), dim=1)
        return x * torch.sigmoid(self.spatial(summary))

    def _mlp(self, pooled: Tensor) -> Tensor:
        weights: Tensor = self.excite(functional.relu(self.squeeze(pooled)))
        return weights


def upsample(x: Tensor) -> Tensor:
    """Bilinear x2 with half-pixel centres."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
