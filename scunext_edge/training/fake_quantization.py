"""A network that computes as its Q/DQ file will, and still learns.

Weights and inputs of the quantized layers are rounded to their codes on the way forward. On the
way back the rounding counts as the identity within the range and as a constant beyond it, the
straight-through estimator (Bengio et al., arXiv 1308.3432; Jacob et al., arXiv 1712.05877).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

CODES = (-128, 127)  # of an activation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """How one layer's weight and input are quantized; see :class:`training.placement.Placed`."""

    axis: int | None
    top: int
    input_scale: float


class FakeQuantized(nn.Module):
    """``network``, whose layers named in ``layers`` read rounded values.

    The scales of weights follow the weights, as those of the export do: the largest magnitude has
    the largest code. Those of inputs stay as they were calibrated. BatchNorm keeps its statistics,
    also in training: what is left of it is folded into constants by the export.
    """

    def __init__(self, network: nn.Module, layers: Mapping[str, Rounding]) -> None:
        super().__init__()
        self.network = network
        self.layers = dict(layers)
        for name, rounding in self.layers.items():
            hook = partial(_round_input, rounding.input_scale)
            network.get_submodule(name).register_forward_pre_hook(hook)
        self.eval()

    def train(self, mode: bool = True) -> FakeQuantized:
        """Layers behave as in evaluation, whatever is asked for."""
        return super().train(False)

    def forward(self, image: Tensor) -> Tensor:
        """As the network's own."""
        rounded = {
            f"{name}.weight": round_weight(
                self.network.get_submodule(name).get_parameter("weight"), rounding
            )
            for name, rounding in self.layers.items()
        }
        logits: Tensor = functional_call(self.network, rounded, (image,))
        return logits


def round_weight(weight: Tensor, rounding: Rounding) -> Tensor:
    """The weight as its codes give it back."""
    magnitude = weight.detach().abs()
    if rounding.axis is None:
        largest = magnitude.amax()
    else:
        others = [at for at in range(weight.ndim) if at != rounding.axis]
        largest = magnitude.amax(others, keepdim=True)
    scale = torch.where(largest > 0, largest / rounding.top, torch.ones_like(largest))
    return fake_quantize(weight, scale, -rounding.top, rounding.top)


def fake_quantize(values: Tensor, scale: Tensor, least: int, most: int) -> Tensor:
    """QuantizeLinear and DequantizeLinear with zero point 0: ties to even, then saturated."""
    found: Tensor = _StraightThrough.apply(values, scale, least, most)  # type: ignore[no-untyped-call]
    return found


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, least: int, most: int) -> Tensor:
        codes = torch.round(values / scale)
        ctx.save_for_backward((codes >= least) & (codes <= most))
        return codes.clamp_(least, most).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (within,) = ctx.saved_tensors
        return gradients[0] * within, None, None, None


def _round_input(scale: float, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    first, *others = inputs
    return (fake_quantize(first, torch.full((), scale, device=first.device), *CODES), *others)
