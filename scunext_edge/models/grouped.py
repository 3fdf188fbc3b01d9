"""Parts that MALUNet and EGE-UNet share: widths, steps with GroupNorm and GELU, first weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (8, 16, 24, 32, 48, 64)  # channels at 1/2, 1/4, 1/8, 1/16, 1/32, and at the bottom (1/32)
GROUPS = 4  # of every GroupNorm


class Down(nn.Module):
    """``layer``, GroupNorm, max-pool 2, GELU: one step down; ``channels`` come out of ``layer``."""

    def __init__(self, layer: nn.Module, channels: int) -> None:
        super().__init__()
        self.layer = layer
        self.norm = nn.GroupNorm(GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] to [N, channels, H / 2, W / 2]."""
        return functional.gelu(functional.max_pool2d(self.norm(self.layer(x)), 2))


class Up(nn.Module):
    """``layer``, GroupNorm, bilinear x2 (unless ``grow`` is off), GELU: one step up."""

    def __init__(self, layer: nn.Module, channels: int, *, grow: bool = True) -> None:
        super().__init__()
        self.layer = layer
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.grow = grow

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] to [N, channels, 2H, 2W]."""
        normed: Tensor = self.norm(self.layer(x))
        return functional.gelu(enlarge(normed) if self.grow else normed)


class Dilated(nn.Module):
    """Depthwise convolution 3x3, same size; with a dilation always in float32 on a CPU.

    There oneDNN's bfloat16 gradient of its weights is wrong, up to NaN and crashes (torch 2.13).
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, channels, 3, padding=dilation, dilation=dilation, groups=channels
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to the same shape."""
        if self.conv.dilation == (1, 1) or not torch.is_autocast_enabled("cpu"):
            seen: Tensor = self.conv(x)
            return seen
        with torch.autocast("cpu", enabled=False):
            seen = self.conv(x.float())
        return seen


def convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    """The layer of the three finest levels: 3x3, same size."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def enlarge(x: Tensor) -> Tensor:
    """Bilinear x2 with aligned corners, as both official codes do at every step."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def initialise(network: nn.Module) -> None:
    """The weights that the official codes start from; biases are 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
        elif isinstance(module, (nn.Conv1d, nn.Conv2d)):
            fan_out = module.out_channels * math.prod(module.kernel_size)
            if len(set(module.kernel_size)) == 1:  # not for maps along one axis
                fan_out //= module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
