"""Deep supervision: maps on a network's way that training compares with the truth as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from scunext_edge.errors import ConfigError


@runtime_checkable
class Supervised(Protocol):
    """A network that has such maps, whatever else it does with them."""

    def side_heads(self) -> Sequence[nn.Module]:
        """Modules that give logits [N, 1, h, w] in a forward pass of training, coarsest first.

        Heads that serve training alone are called under ``self.training`` only, so that no export
        holds them.
        """


@runtime_checkable
class Staged(Protocol):
    """A network without such maps, whose decoder heads can be put to."""

    def stages(self) -> Sequence[tuple[nn.Module, int]]:
        """Modules that give features [N, C, h, w], each with its C, coarsest first."""


class WithHeads(nn.Module):
    """``network`` with a 1x1 convolution to one map on every stage of its decoder.

    The heads are made after the network and run in training alone: its weights begin as they would
    without, and what is saved is the network itself.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for _, width in self._stages())

    def side_heads(self) -> Sequence[nn.Module]:
        """See :class:`Supervised`."""
        return list(self.heads)

    def forward(self, image: Tensor) -> Tensor:
        """As the network's own."""
        if not (self.training and torch.is_grad_enabled()):
            logits: Tensor = self.network(image)
            return logits
        stages = [stage for stage, _ in self._stages()]
        with outputs(stages) as given:
            logits = self.network(image)
        for stage, head in zip(stages, self.heads, strict=True):
            head(given[stage])
        return logits

    def _stages(self) -> Sequence[tuple[nn.Module, int]]:
        return stages_of(self.network, what="for auxiliary heads", setting="sides")


def stages_of(network: nn.Module, *, what: str, setting: str) -> Sequence[tuple[nn.Module, int]]:
    """Those of the staged network inside; without one a ``ConfigError`` names the setting."""
    inside = next((it for it in network.modules() if isinstance(it, Staged)), None)
    if inside is None:
        raise ConfigError(
            f"the network has no stages {what}",
            hint=f"leave the setting {setting} alone: this is for scunext",
        )
    return inside.stages()


@contextmanager
def side_logits(network: nn.Module) -> Iterator[list[Tensor]]:
    """What the heads inside ``network`` give while the block runs, in their order.

    The list is filled when the block ends; it stays empty for a network without heads. Hooks, and
    not a second output: the contract, DDP and what wraps a network see one forward pass.
    """
    inside = next((it for it in network.modules() if isinstance(it, Supervised)), None)
    heads = list(inside.side_heads()) if inside is not None else []
    sides: list[Tensor] = []
    with outputs(heads) as given:
        yield sides
    sides.extend(given[head] for head in heads)


@contextmanager
def outputs(modules: Sequence[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """What each of these modules gives while the block runs."""
    given: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
        given[module] = output

    hooks = [module.register_forward_hook(keep) for module in modules]
    try:
        yield given
    finally:
        for hook in hooks:
            hook.remove()
