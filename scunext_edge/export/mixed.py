"""Some layers of a Q/DQ graph back in float: still one file that every engine reads."""

from __future__ import annotations

from collections.abc import Collection

from scunext_edge.errors import ConfigError
from scunext_edge.export import graph
from scunext_edge.export.imports import optional_imports


def quantized_layers(model: bytes) -> list[str]:
    """Names of the convolutions and products that read quantized values, in graph order."""
    with optional_imports("mixed precision"):
        import onnx
    return [node.name for node in graph.quantized_nodes(onnx.load_from_string(model))]


def keep_float(original: bytes, quantized: bytes, names: Collection[str]) -> bytes:
    """``quantized`` with the layers called ``names`` reading what they read in ``original``.

    ``original`` is the FP32 file that ``quantized`` was made from: nodes keep their names.
    """
    with optional_imports("mixed precision"):
        import onnx
    before, model = onnx.load_from_string(original), onnx.load_from_string(quantized)
    unknown = sorted(set(names) - {node.name for node in graph.quantized_nodes(model)})
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
    graph.prune(model)
    onnx.checker.check_model(model, full_check=True)
    return graph.to_bytes(model)


def without_quantization(quantized: bytes) -> bytes:
    """The same network in float: activations as they come, weights as INT8 has rounded them.

    For a device that builds no INT8. The float type is that of the scales.
    """
    with optional_imports("mixed precision"):
        import onnx
        from onnx import numpy_helper
    model = onnx.load_from_string(quantized)
    makers = graph.producers(model.graph)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    instead: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        (output,) = node.output
        source = makers.get(node.input[0])
        if source is not None:  # an activation: what was quantized
            instead[output] = source.input[0]
            continue
        weights, scale = (numpy_helper.to_array(constants[name]) for name in node.input[:2])
        axis = graph.channel_axis(node) % weights.ndim
        shape = [-1 if at == axis else 1 for at in range(weights.ndim)]
        values = weights.astype(scale.dtype) * (scale.reshape(shape) if scale.size > 1 else scale)
        model.graph.initializer.append(numpy_helper.from_array(values, output))
    kept = [
        it for it in model.graph.node if it.op_type not in {"QuantizeLinear", "DequantizeLinear"}
    ]
    for node in kept:
        node.input[:] = [instead.get(name, name) for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    graph.prune(model)
    onnx.checker.check_model(model, full_check=True)
    return graph.to_bytes(model)
