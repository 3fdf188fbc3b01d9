"""The contract as a module: uint8 image in, logits out, normalisation inside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scunext_edge.errors import ConfigError
from scunext_edge.spec import STRIDE, ModelSpec


class Deployable(nn.Module):
    """A network with its normalisation: uint8 [N, H, W, 3] RGB to float32 logits [N, 1, H, W]."""

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
        # (x / 255 - mean) / std as one multiply and one add
        self.register_buffer("scale", (1 / (255 * std)).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("offset", (-mean / std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Cast first: TensorRT refuses to transpose a uint8 tensor."""
        check_sides(image.shape[1], image.shape[2])
        logits: Tensor = self.network(self.normalise(image.float().permute(0, 3, 1, 2)))
        return logits.float()

    def normalise(self, pixels: Tensor) -> Tensor:
        """[N, 3, H, W] in 0..255 to the network's range."""
        return pixels * self.get_buffer("scale") + self.get_buffer("offset")


def check_sides(height: int, width: int) -> None:
    """Raise ``ConfigError`` unless both sides are multiples of 32."""
    if height % STRIDE or width % STRIDE:
        raise ConfigError(
            f"the networks take images whose sides are multiples of {STRIDE}, not {height}x{width}",
            hint="stretch the image to a square such as 256x256 first",
        )
