"""An ONNX file as plain nodes and constants; Q/DQ pairs become properties of what they wrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from scunext_edge.errors import ExportError, require

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A constant, with what it was dequantized from, if it was."""

    values: Array
    quantized: npt.NDArray[np.int8] | None = None
    scale: npt.NDArray[np.float32] | None = None  # one, or one for each index of ``axis``
    axis: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator. ``inputs`` name tensors before any Q/DQ pair; "" is one left out."""

    name: str
    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]
    scales: Mapping[int, float]  # of the Q/DQ pair that an input came through


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """``image``, uint8 [N, height, width, 3], to ``output``."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]
    image: str
    output: str
    height: int
    width: int

    @property
    def is_quantized(self) -> bool:
        """Whether any node reads quantized values."""
        return any(node.scales for node in self.nodes)


def refuse(node: Node, supported: str) -> NoReturn:
    """Raise ``ExportError`` that names ``node``; ``supported`` says what would be taken."""
    raise ExportError(
        f"the native engine cannot take {node.name or node.output} ({node.op}): {supported}"
    )


def read_graph(model: bytes) -> Graph:
    """Read an ONNX file with one image as input and one map as output."""
    require("onnx", "onnx", needed_for="export for the native engine")
    import onnx

    proto = onnx.load_from_string(model)
    graph = proto.graph
    image, height, width = _image(graph)
    if len(graph.output) != 1:
        raise ExportError(f"the network has {len(graph.output)} outputs, and not one")
    constants = {
        item.name: Constant(values=onnx.numpy_helper.to_array(item)) for item in graph.initializer
    }
    origin: dict[str, str] = {}  # a tensor behind Identity or Q/DQ -> the one before it
    scales: dict[str, float] = {}
    nodes = []
    for item in graph.node:
        node = _node(item, origin, scales)
        if not _folded(node, constants, origin, scales):
            nodes.append(node)
    return Graph(
        nodes=tuple(nodes),
        constants=constants,
        image=image,
        output=origin.get(graph.output[0].name, graph.output[0].name),
        height=height,
        width=width,
    )


def _image(graph: Any) -> tuple[str, int, int]:
    names = {item.name for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in names]
    dims = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim] if inputs else []
    if len(inputs) != 1 or len(dims) != 4 or dims[3] != 3 or not (dims[1] and dims[2]):
        raise ExportError("the network does not take one image, uint8 [N, H, W, 3]")
    return inputs[0].name, dims[1], dims[2]


def _node(item: Any, origin: Mapping[str, str], scales: Mapping[str, float]) -> Node:
    import onnx

    attributes = {
        attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in item.attribute
    }
    node = Node(
        name=item.name,
        op=item.op_type,
        inputs=tuple(origin.get(name, name) for name in item.input),
        output=item.output[0],
        attributes={
            key: value.decode() if isinstance(value, bytes) else value
            for key, value in attributes.items()
        },
        scales={index: scales[name] for index, name in enumerate(item.input) if name in scales},
    )
    if len([name for name in item.output if name]) != 1:
        refuse(node, "operators have one output")
    return node


def _folded(
    node: Node, constants: dict[str, Constant], origin: dict[str, str], scales: dict[str, float]
) -> bool:
    """Take in what is no operation of its own: constants, Identity, quantization."""
    if node.op == "Constant" and "value" in node.attributes:
        import onnx

        values = onnx.numpy_helper.to_array(node.attributes["value"])
        constants[node.output] = Constant(values=values)
    elif node.op in ("Identity", "Dropout"):
        origin[node.output] = node.inputs[0]
        if 0 in node.scales:
            scales[node.output] = node.scales[0]
    elif node.op == "DequantizeLinear" and node.inputs[0] in constants:
        constants[node.output] = _dequantized(node, constants)
    elif node.op == "QuantizeLinear":
        # Nothing may read it but a DequantizeLinear, which finds the scale under this name
        scales[node.output] = _pair_scale(node, constants)
        origin[node.output] = node.inputs[0]
    elif node.op == "DequantizeLinear":
        if _pair_scale(node, constants) != node.scales.get(0):
            refuse(node, "what is dequantized was quantized just before, by the same scale")
        scales[node.output], origin[node.output] = node.scales[0], node.inputs[0]
    else:
        return False
    return True


def _dequantized(node: Node, constants: Mapping[str, Constant]) -> Constant:
    quantized = constants[node.inputs[0]].values
    scale = np.asarray(constants[node.inputs[1]].values, np.float32)
    _check_zero_point(node, constants)
    if quantized.dtype != np.int8:
        refuse(node, "constants are dequantized from int8")
    axis = int(node.attributes.get("axis", 1)) % max(quantized.ndim, 1)
    along = [1] * quantized.ndim
    if scale.size > 1:
        along[axis] = scale.size
    values = quantized.astype(np.float32) * scale.reshape(along)
    return Constant(values=values, quantized=quantized, scale=scale.reshape(-1), axis=axis)


def _pair_scale(node: Node, constants: Mapping[str, Constant]) -> float:
    scale = constants[node.inputs[1]].values if node.inputs[1] in constants else np.zeros(0)
    if scale.size != 1 or scale.dtype != np.float32 or not float(scale.reshape(())) > 0:
        refuse(node, "activations have one constant float32 scale above 0")
    _check_zero_point(node, constants)
    return float(scale.reshape(()))


def _check_zero_point(node: Node, constants: Mapping[str, Constant]) -> None:
    zero = constants.get(node.inputs[2]) if len(node.inputs) > 2 else None
    if zero is None or zero.values.dtype != np.int8 or zero.values.any():
        refuse(node, "zero points are int8 and 0")
