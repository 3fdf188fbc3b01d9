"""What each convolution and matrix product of an ONNX file costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scunext_edge.export import graph
from scunext_edge.export.imports import optional_imports
from scunext_edge.runtime.precision import conv_macs, matmul_macs, transposed_conv_macs

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_Shapes = dict[str, list[int]]


def macs_by_layer(model: bytes) -> dict[str, int]:
    """MACs of one image, by name of the node."""
    with optional_imports("counting MACs"):
        import onnx
    loaded = onnx.load_from_string(model)
    shapes = _shapes_of_one_image(loaded)
    return {
        node.name: _macs(node, shapes)
        for node in loaded.graph.node
        if node.op_type in graph.QUANTIZED
    }


def _shapes_of_one_image(model: ModelProto) -> _Shapes:
    import onnx

    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    # The outputs still say that N is free
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = [it.dim_value or 1 for it in value.type.tensor_type.shape.dim]
    return shapes


def _macs(node: NodeProto, shapes: _Shapes) -> int:
    data, weights = (shapes[name] for name in node.input[:2])
    output = shapes[node.output[0]]
    if node.op_type == "Conv":
        return conv_macs(weights, output)
    if node.op_type == "ConvTranspose":
        return transposed_conv_macs(weights, data)
    transposed = any(it.name == "transA" and it.i for it in node.attribute)
    return matmul_macs(data[::-1] if transposed else data, output)
