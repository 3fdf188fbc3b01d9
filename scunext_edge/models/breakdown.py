"""Which module of a network holds the parameters and does the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

MODULE_DEPTH = 2
REST = "(itself)"  # what belongs to the network, but to none of its children


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRow:
    """One module inside the network. Rows of depth 1 add up to the whole; depth 2 is inside them.

    ``output_shapes``: the shape of every tensor that the module gave, over all calls, in order;
    empty for a container that is never called itself.
    """

    name: str
    kind: str  # its class
    depth: int
    params: int
    macs: int
    output_shapes: tuple[tuple[int, ...], ...]


def module_rows(
    network: nn.Module, image: Tensor, macs_inside: Mapping[str, int]
) -> tuple[ModuleRow, ...]:
    """The modules of ``network`` to a depth of two, parents before children.

    ``macs_inside``: MACs by dotted name, as ``count_by_torch`` gives them.
    """
    modules = {
        name: module
        for name, module in network.named_modules()
        if name and name.count(".") < MODULE_DEPTH
    }
    shapes = _output_shapes(network, modules, image)
    rows = [
        ModuleRow(
            name=name,
            kind=type(module).__name__,
            depth=name.count(".") + 1,
            params=elements(module.parameters()),
            macs=_macs(name, module, macs_inside),
            output_shapes=tuple(shapes[name]),
        )
        for name, module in modules.items()
    ]
    return (*rows, *_rest(network, rows, macs_inside[""]))


def elements(tensors: Iterable[Tensor]) -> int:
    """How many numbers ``tensors`` hold."""
    return sum(tensor.numel() for tensor in tensors)


def _macs(name: str, module: nn.Module, macs_inside: Mapping[str, int]) -> int:
    """A container such as ``ModuleList`` is never called: its MACs are those of its children."""
    if name in macs_inside:
        return macs_inside[name]
    return sum(
        _macs(f"{name}.{child}", below, macs_inside) for child, below in module.named_children()
    )


def _rest(network: nn.Module, rows: Sequence[ModuleRow], macs: int) -> list[ModuleRow]:
    """What the network holds or computes outside its children, if it does."""
    top = [row for row in rows if row.depth == 1]
    params = elements(network.parameters()) - sum(row.params for row in top)
    macs -= sum(row.macs for row in top)
    if not (params or macs):
        return []
    kind = type(network).__name__
    return [ModuleRow(name=REST, kind=kind, depth=1, params=params, macs=macs, output_shapes=())]


def _output_shapes(
    network: nn.Module, modules: Mapping[str, nn.Module], image: Tensor
) -> dict[str, list[tuple[int, ...]]]:
    shapes: dict[str, list[tuple[int, ...]]] = {name: [] for name in modules}

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            tensors = (leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor))
            shapes[name].extend(tuple(tensor.shape) for tensor in tensors)

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in modules.items()]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    return shapes
