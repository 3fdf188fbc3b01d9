"""Deep supervision: maps on a network's way that training compares with the truth as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Supervised(Protocol):
    """A network that has such maps, whatever else it does with them."""

    def side_heads(self) -> Sequence[nn.Module]:
        """Modules that give logits [N, 1, h, w] in a forward pass of training, coarsest first.

        Heads that serve training alone are called under ``self.training`` only, so that no export
        holds them.
        """


@contextmanager
def side_logits(network: nn.Module) -> Iterator[list[Tensor]]:
    """What the heads inside ``network`` give while the block runs, in their order.

    The list is filled when the block ends; it stays empty for a network without heads. Hooks, and
    not a second output: the contract, DDP and what wraps a network see one forward pass.
    """
    inside = next((it for it in network.modules() if isinstance(it, Supervised)), None)
    heads = list(inside.side_heads()) if inside is not None else []
    given: dict[nn.Module, Tensor] = {}
    sides: list[Tensor] = []

    def keep(head: nn.Module, inputs: object, output: Tensor) -> None:
        given[head] = output

    hooks = [head.register_forward_hook(keep) for head in heads]
    try:
        yield sides
    finally:
        for hook in hooks:
            hook.remove()
    sides.extend(given[head] for head in heads)
