"""UNeXt: convolutional stages, then tokenised MLPs, in a U shape (Valanarasu and Patel, 2022)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from scunext_edge.models.blocks import DecoderStep, EncoderStep, PatchEmbed, TokenMLP
from scunext_edge.models.contract import check_sides

SMALL = (8, 16, 32, 64, 128)  # UNeXt-S, 253,561 parameters
LARGE = (16, 32, 128, 160, 256)  # UNeXt, 1,471,921 parameters


class Encoder(nn.Module):
    """The five stages down, shared with SC-UNeXt: an image to features at 1/2 .. 1/32."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = widths
        self.stage1 = EncoderStep(3, c1)
        self.stage2 = EncoderStep(c1, c2)
        self.stage3 = EncoderStep(c2, c3)
        self.embed4 = PatchEmbed(c3, c4)
        self.mlp4 = TokenMLP(c4)
        self.embed5 = PatchEmbed(c4, c5)
        self.mlp5 = TokenMLP(c5)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """[N, 3, H, W] to x1 [N, c1, H/2, W/2] .. x5 [N, c5, H/32, W/32]."""
        check_sides(image.shape[2], image.shape[3])
        x1 = self.stage1(image)
        x2 = self.stage2(x1)
        x3 = self.stage3(x2)
        x4 = self.mlp4(self.embed4(x3))
        return x1, x2, x3, x4, self.mlp5(self.embed5(x4))


class UNeXt(nn.Module):
    """The network of the official code, re-implemented: normalised image in, logits out."""

    def __init__(self, widths: Sequence[int] = SMALL) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = widths
        self.encoder = Encoder(widths)
        self.up4 = DecoderStep(c5, c4)
        self.mix4 = TokenMLP(c4)
        self.up3 = DecoderStep(c4, c3)
        self.mix3 = TokenMLP(c3)
        self.up2 = DecoderStep(c3, c2)
        self.up1 = DecoderStep(c2, c1)
        self.up0 = DecoderStep(c1, c1, norm=False)
        self.final = nn.Conv2d(c1, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """float32 [N, 3, H, W], H and W multiples of 32, to logits [N, 1, H, W]."""
        x1, x2, x3, x4, x5 = self.encoder(image)
        y = self.mix4(self.up4(x5) + x4)
        y = self.mix3(self.up3(y) + x3)
        y = self.up2(y) + x2
        y = self.up1(y) + x1
        logits: Tensor = self.final(self.up0(y))
        return logits
