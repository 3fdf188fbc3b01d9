"""Which layer of a network is which node of its exported file: told by the weights.

Names do not survive an export, and a BatchNorm behind a convolution is folded into it. So it is
here, in place and without changing the network's form: the BatchNorm stays as the identity, and
the weights can be saved and exported like any others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from scunext_edge.errors import ExportError
from scunext_edge.training.fake_quantization import Rounding
from scunext_edge.training.placement import Placed

_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_CLOSE = 1e-5  # of the largest weight: the exporter folds in another order

Norm = nn.BatchNorm2d


def fold(network: nn.Module, placed: Sequence[Placed]) -> dict[str, Rounding]:
    """Fold what the export folded; the roundings by layer name, one for each of ``placed``.

    ``ExportError`` where a node is no layer of this network, or could be several.
    """
    network.eval()
    found: dict[str, Rounding] = {}
    with torch.no_grad():
        for it in placed:
            wanted = torch.tensor(it.weight)
            hits = [hit for hit in _alike(network, wanted) if hit[0] not in found]
            if len(hits) != 1:
                layers = ", ".join(name for name, _ in hits) or "no layer"
                raise ExportError(
                    f"the weights of {it.node} are those of {layers} of the checkpoint",
                    hint="tuning needs the checkpoint that was exported, and layers that are "
                    "told apart by their weights",
                )
            name, norm = hits[0]
            if norm is not None:
                _fold(network.get_submodule(name), norm)
            found[name] = Rounding(axis=it.axis, top=it.top, input_scale=it.input_scale)
    return found


def _alike(network: nn.Module, wanted: Tensor) -> Iterator[tuple[str, Norm | None]]:
    """Layers with these weights, alone or with a BatchNorm behind them."""
    norms = [it for it in network.modules() if isinstance(it, Norm)]
    for name, layer in network.named_modules():
        if not isinstance(layer, _LAYERS) or layer.weight.shape != wanted.shape:
            continue
        if _close(layer.weight, wanted):
            yield name, None
            continue
        for norm in norms:
            if norm.num_features == layer.weight.shape[_output_axis(layer)] and _close(
                layer.weight * _column(_factor(norm), layer), wanted
            ):
                yield name, norm


def _fold(layer: nn.Module, norm: Norm) -> None:
    """The layer computes what both did; the norm becomes the identity, and stays so."""
    factor, own = _factor(norm), dict(layer.named_parameters())
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    moved = (own.get("bias", torch.zeros_like(mean)) - mean) * factor + norm.bias
    own["weight"].mul_(_column(factor, layer))
    mean.zero_()
    variance.fill_(1 - norm.eps)
    norm.weight.fill_(1).requires_grad_(False)
    if "bias" in own:
        own["bias"].copy_(moved)
        norm.bias.zero_().requires_grad_(False)
    else:  # the layer has no place for it
        norm.bias.copy_(moved)


def _factor(norm: Norm) -> Tensor:
    return norm.weight / torch.sqrt(norm.get_buffer("running_var") + norm.eps)


def _column(factor: Tensor, layer: nn.Module) -> Tensor:
    """One value an output channel, shaped to multiply the layer's weight."""
    weight = layer.get_parameter("weight")
    axis = _output_axis(layer)
    return factor.view([-1 if at == axis else 1 for at in range(weight.ndim)])


def _output_axis(layer: nn.Module) -> int:
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0


def _close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= _CLOSE * other.abs().max())
