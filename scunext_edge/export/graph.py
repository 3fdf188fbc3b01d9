"""What we ask of an ONNX graph and do to it, whoever wrote it. Knows no torch and no engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from scunext_edge.errors import ExportError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

OPSET = 20  # JetPack 6 takes no more; FP16 scales need at least 19

QUANTIZED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
# A map that is reduced to one value per channel, or to one channel
_POOLED = {"ReduceMax", "ReduceMean", "GlobalMaxPool", "GlobalAveragePool"}
_MAXIMA = {"ReduceMax", "GlobalMaxPool"}
# What stands between the pooling and the last convolution of an attention module
_WITHIN_ATTENTION = {
    *("Conv", "MatMul", "Gemm", "Add", "Relu", "Concat"),
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Cast"),
    *("QuantizeLinear", "DequantizeLinear"),
}
_MOVES = {"Concat", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Relu", "Cast"}


def check_opset(model: ModelProto) -> None:
    """Raise ``ExportError`` unless the one opset is ours: exporters choose another in silence."""
    found = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    if found != {"ai.onnx": OPSET}:
        raise ExportError(f"the ONNX file uses the operator sets {found}, not ai.onnx {OPSET}")


def to_bytes(model: ModelProto) -> bytes:
    """Strip ``model`` and write it, the same bytes for the same content."""
    strip(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def strip(model: ModelProto) -> None:
    """Remove all that no engine reads: who wrote it, stack traces, paths, inferred shapes."""
    model.producer_name, model.producer_version = "scunext-edge", ""
    model.domain = ""
    model.model_version = 0
    for part in (model, model.graph):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph = model.graph
    graph.ClearField("value_info")
    graph.ClearField("quantization_annotation")
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")


def attention_nodes(model: ModelProto) -> list[str]:
    """Names of the convolutions and products inside attention modules, in graph order.

    Told by structure, since names do not survive an export: their input comes from a global
    pooling, or a pooling over channels, with nothing but such layers, sums and joins between.
    """
    makers = producers(model.graph)
    return [
        node.name
        for node in model.graph.node
        if node.op_type in QUANTIZED
        and any(
            source.op_type in _POOLED
            for source in sources(node.input[0], makers, through=_WITHIN_ATTENTION)
        )
    ]


def confine_quantization(model: ModelProto) -> None:
    """Give every reader that is not itself quantized the float tensor before the Q/DQ pair.

    A quantizer replaces a tensor for all its readers; skips, pools and attention would then lose
    precision for nothing.
    """
    makers = producers(model.graph)
    wanted = _quantized_names(model)
    for node in model.graph.node:
        if node.name in wanted:
            continue
        for index, name in enumerate(node.input):
            pair = _pair_behind(name, makers)
            if pair is not None:
                node.input[index] = pair[0].input[0]


def check_quantized(model: ModelProto) -> None:
    """Raise ``ExportError`` unless every engine in use reads the Q/DQ nodes alike.

    Zero points int8 and 0; nothing on int32 (a bias); nothing right after a maximum, which
    OpenVINO 2026.4 then rounds to an integer; read by convolutions and products outside
    attention modules alone.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = producers(model.graph)
    wanted = _quantized_names(model)
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise ExportError("nothing in the graph was quantized")
    for node in model.graph.node:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            _check_zero_point(node, constants)
        elif node.name not in wanted and any(
            makers[name].op_type == "DequantizeLinear" for name in node.input if name in makers
        ):
            raise ExportError(f"{node.name} ({node.op_type}) reads quantized values")
        if node.op_type == "QuantizeLinear" and any(
            source.op_type in _MAXIMA for source in sources(node.input[0], makers, through=_MOVES)
        ):
            raise ExportError(f"{node.name} quantizes a maximum, which OpenVINO rounds")


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    """Tensor name -> the node that makes it."""
    return {name: node for node in graph.node for name in node.output}


def quantized_nodes(model: ModelProto) -> list[NodeProto]:
    """The convolutions and products that read quantized values, in graph order."""
    makers = producers(model.graph)
    return [
        node
        for node in model.graph.node
        if node.op_type in QUANTIZED
        and any(
            name in makers and makers[name].op_type == "DequantizeLinear" for name in node.input
        )
    ]


def channel_axis(pair: NodeProto) -> int:
    """The axis that a Q or DQ node has a scale for each index of, where it has more than one."""
    return next((int(it.i) for it in pair.attribute if it.name == "axis"), 1)


def prune(model: ModelProto) -> None:
    """Remove the nodes and constants that no output needs any more."""
    makers = producers(model.graph)
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


def sources(
    tensor: str, makers: dict[str, NodeProto], *, through: Iterable[str]
) -> Iterator[NodeProto]:
    """The nodes that ``tensor`` comes from, walking back across operators in ``through``."""
    passed, waiting = set(through), [tensor]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in makers:
            continue
        seen.add(name)
        node = makers[name]
        yield node
        if node.op_type in passed:
            waiting.extend(node.input)


def _check_zero_point(node: NodeProto, constants: dict[str, TensorProto]) -> None:
    from onnx import TensorProto, numpy_helper

    if len(node.input) < 3 or node.input[2] not in constants:
        raise ExportError(f"{node.name} has no constant zero point")
    zero_point = constants[node.input[2]]
    if zero_point.data_type != TensorProto.INT8:
        kind = TensorProto.DataType.Name(zero_point.data_type).lower()
        raise ExportError(f"{node.name} quantizes to {kind}; only int8 is read by every engine")
    if numpy_helper.to_array(zero_point).any():
        raise ExportError(f"{node.name} has a zero point other than 0, which TensorRT refuses")


def _quantized_names(model: ModelProto) -> set[str]:
    """The nodes whose inputs are to be quantized, and the Q/DQ nodes themselves."""
    attention = set(attention_nodes(model))
    ops = {*QUANTIZED, "QuantizeLinear", "DequantizeLinear"}
    return {node.name for node in model.graph.node if node.op_type in ops} - attention


def _pair_behind(tensor: str, makers: dict[str, NodeProto]) -> tuple[NodeProto, NodeProto] | None:
    """The QuantizeLinear and DequantizeLinear that ``tensor`` has just come through."""
    last = makers.get(tensor)
    if last is None or last.op_type != "DequantizeLinear":
        return None
    first = makers.get(last.input[0])
    return (first, last) if first is not None and first.op_type == "QuantizeLinear" else None
