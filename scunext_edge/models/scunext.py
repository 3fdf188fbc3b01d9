"""SC-UNeXt: UNeXt-S with semantic cross skips and multi-scale fusion; a reconstruction.

The paper (Advanced Medical Image Segmentation with Multi-Scale Feature Fusion and Attention
Mechanisms, JCSSA) gives no layer list and no code. This network is matched to the size and cost
that it reports (243.63 K = 249,480 / 1024 parameters, 0.13 G by thop); see ``docs/networks.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from scunext_edge.models.blocks import CBAM, DecoderStep, TokenMLP
from scunext_edge.models.unext import SMALL, Encoder

FUSED = 8  # channels of the fused map


class CrossSkip(nn.Module):
    """Equation 2 of the paper, read as y = [(S + z) * x] + z, S = CBAM(x + P(pool(x_above)))."""

    def __init__(self, channels: int, channels_above: int | None) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels_above, channels, 1) if channels_above else None
        self.attend = CBAM(channels)

    def forward(self, x: Tensor, above: Tensor | None, z: Tensor) -> Tensor:
        """Encoder feature x, the finer one above it (twice as large), decoder feature z."""
        crossed = x
        if self.project is not None and above is not None:
            crossed = x + self.project(functional.max_pool2d(above, 2))
        attended: Tensor = self.attend(crossed)
        return (attended + z) * x + z


class Fusion(nn.Module):
    """Multi-scale fusion and head: every level to 8 channels at 1/2 by deconvolutions, summed."""

    def __init__(self) -> None:
        super().__init__()
        self.lift2 = _lift(SMALL[1], steps=1)
        self.lift3 = _lift(SMALL[2], steps=2)
        self.lift4 = _lift(SMALL[3], steps=3)
        self.attend = CBAM(FUSED)
        self.head = nn.ConvTranspose2d(FUSED, FUSED, 2, stride=2)

    def forward(self, y1: Tensor, y2: Tensor, y3: Tensor, y4: Tensor) -> Tensor:
        """[N, 8, H/2, W/2] and the three coarser levels, to [N, 8, H, W]."""
        fused = y1 + self.lift2(y2) + self.lift3(y3) + self.lift4(y4)
        return functional.relu(self.head(self.attend(fused)))


class SCUNeXt(nn.Module):
    """``skip``: cross skips instead of additions (and of the decoder's token MLPs).

    ``fuse``: multi-scale fusion and a deconvolution head instead of the last decoder step. With
    both off it is UNeXt-S to the parameter.
    """

    def __init__(self, *, skip: bool = True, fuse: bool = True) -> None:
        super().__init__()
        for name, value in (("skip", skip), ("fuse", fuse)):
            if not isinstance(value, bool):  # the text "False" would count as true
                raise TypeError(f"{name} is true or false, not {value!r}")
        c1, c2, c3, c4, c5 = SMALL
        self.encoder = Encoder(SMALL)
        self.up4 = DecoderStep(c5, c4)
        self.up3 = DecoderStep(c4, c3)
        self.up2 = DecoderStep(c3, c2)
        self.up1 = DecoderStep(c2, c1)
        self.skip4: nn.Module = CrossSkip(c4, c3) if skip else _AddAndMix(c4)
        self.skip3: nn.Module = CrossSkip(c3, c2) if skip else _AddAndMix(c3)
        self.skip2: nn.Module = CrossSkip(c2, c1) if skip else _Add()
        self.skip1: nn.Module = CrossSkip(c1, None) if skip else _Add()
        self.fusion = Fusion() if fuse else None
        self.up0 = None if fuse else DecoderStep(c1, c1, norm=False)
        self.final = nn.Conv2d(c1, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """float32 [N, 3, H, W], H and W multiples of 32, to logits [N, 1, H, W]."""
        x1, x2, x3, x4, x5 = self.encoder(image)
        y4 = self.skip4(x4, x3, self.up4(x5))
        y3 = self.skip3(x3, x2, self.up3(y4))
        y2 = self.skip2(x2, x1, self.up2(y3))
        y1 = self.skip1(x1, None, self.up1(y2))
        full = self.fusion(y1, y2, y3, y4) if self.fusion is not None else self._last_step(y1)
        logits: Tensor = self.final(full)
        return logits

    def stages(self) -> Sequence[tuple[nn.Module, int]]:
        """The decoder's four levels, coarsest first, with their channels: for training alone."""
        levels = (self.skip4, self.skip3, self.skip2, self.skip1)
        return list(zip(levels, SMALL[3::-1], strict=True))

    def _last_step(self, y1: Tensor) -> Tensor:
        assert self.up0 is not None
        stepped: Tensor = self.up0(y1)
        return stepped


class _Add(nn.Module):
    """UNeXt's skip: the sum."""

    def forward(self, x: Tensor, above: Tensor | None, z: Tensor) -> Tensor:
        return z + x


class _AddAndMix(nn.Module):
    """UNeXt's skip at the two coarse levels: the sum, then a token MLP."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = TokenMLP(channels)

    def forward(self, x: Tensor, above: Tensor | None, z: Tensor) -> Tensor:
        mixed: Tensor = self.mix(z + x)
        return mixed


def _lift(channels: int, *, steps: int) -> nn.Sequential:
    up = (nn.ConvTranspose2d(FUSED, FUSED, 2, stride=2) for _ in range(steps))
    return nn.Sequential(nn.Conv2d(channels, FUSED, 1), *up)
