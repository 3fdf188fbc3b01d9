"""Some layers of a Q/DQ graph back in float: still one file that every engine reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from scunext_edge.errors import ConfigError
from scunext_edge.export import graph
from scunext_edge.export.imports import optional_imports

if TYPE_CHECKING:
    from onnx import ModelProto


def quantized_layers(model: bytes) -> list[str]:
    """Names of the convolutions and products that read quantized values, in graph order."""
    with optional_imports("mixed precision"):
        import onnx
    return _layers(onnx.load_from_string(model))


def keep_float(original: bytes, quantized: bytes, names: Collection[str]) -> bytes:
    """``quantized`` with the layers called ``names`` reading what they read in ``original``.

    ``original`` is the FP32 file that ``quantized`` was made from: nodes keep their names.
    """
    with optional_imports("mixed precision"):
        import onnx
    before, model = onnx.load_from_string(original), onnx.load_from_string(quantized)
    unknown = sorted(set(names) - set(_layers(model)))
    if unknown:
        raise ConfigError(f"the graph has no quantized layer called {unknown[0]}")
    inputs = {node.name: list(node.input) for node in before.graph.node}
    for node in model.graph.node:
        if node.name in names:
            node.input[:] = inputs[node.name]
    present = {tensor.name for tensor in model.graph.initializer}
    model.graph.initializer.extend(
        tensor for tensor in before.graph.initializer if tensor.name not in present
    )
    _prune(model)
    onnx.checker.check_model(model, full_check=True)
    return graph.to_bytes(model)


def _layers(model: ModelProto) -> list[str]:
    makers = graph.producers(model.graph)
    return [
        node.name
        for node in model.graph.node
        if node.op_type in graph.QUANTIZED
        and any(
            name in makers and makers[name].op_type == "DequantizeLinear" for name in node.input
        )
    ]


def _prune(model: ModelProto) -> None:
    """Remove what no output needs any more: Q/DQ pairs and constants that nobody reads."""
    makers = graph.producers(model.graph)
    needed: set[str] = set()
    waiting = [output.name for output in model.graph.output]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        if name in makers:
            waiting.extend(makers[name].input)
    for field in (model.graph.node, model.graph.initializer):
        kept = [it for it in field if needed & set(getattr(it, "output", None) or [it.name])]
        del field[:]
        field.extend(kept)
