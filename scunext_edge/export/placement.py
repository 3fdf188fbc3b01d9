"""From a Q/DQ file and the float one that it was made from: where is what quantized, and how?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scunext_edge.errors import ExportError
from scunext_edge.export import graph
from scunext_edge.export.imports import optional_imports
from scunext_edge.training.placement import Placed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from onnx import NodeProto


def placement(original: bytes, quantized: bytes, *, top: int) -> list[Placed]:
    """The quantized layers in graph order; nodes of both files have the same names.

    ``top``: the largest code that weights were given. A node without constant weights, which
    cannot be tuned, is an ``ExportError``.
    """
    with optional_imports("reading a Q/DQ file"):
        import onnx
        from onnx import numpy_helper

    before, model = onnx.load_from_string(original), onnx.load_from_string(quantized)
    nodes = {node.name: node for node in before.graph.node}
    floats = {it.name: it for it in before.graph.initializer}
    constants = {it.name: numpy_helper.to_array(it) for it in model.graph.initializer}
    makers = graph.producers(model.graph)
    found = []
    for node in graph.quantized_nodes(model):
        pairs = [makers.get(name) for name in node.input[:2]]
        source = nodes.get(node.name)
        if None in pairs or source is None or source.input[1] not in floats:
            raise ExportError(f"{node.name} ({node.op_type}) has no constant weights to tune")
        data, weights = (pair for pair in pairs if pair is not None)
        values = numpy_helper.to_array(floats[source.input[1]])
        per_channel = constants[weights.input[1]].size > 1
        found.append(
            Placed(
                node=node.name,
                weight=_as_in_torch(node, values),
                axis=_output_axis(node) if per_channel else None,
                top=top,
                input_scale=float(constants[data.input[1]]),
            )
        )
    return found


def _as_in_torch(node: NodeProto, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """A linear layer has [out, in] there, a product [in, out] here."""
    return values.T if _is_product(node) else values


def _output_axis(node: NodeProto) -> int:
    return 1 if node.op_type == "ConvTranspose" else 0


def _is_product(node: NodeProto) -> bool:
    transposed = any(it.name == "transB" and it.i for it in node.attribute)
    return node.op_type == "MatMul" or (node.op_type == "Gemm" and not transposed)
