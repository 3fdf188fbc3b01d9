"""A typed FP16 graph from an FP32 one, for engines that take types as written."""

from __future__ import annotations

from scunext_edge.export import graph
from scunext_edge.export.imports import optional_imports, silenced


def to_half(model: bytes) -> bytes:
    """Every float tensor inside becomes float16; ``image`` and ``logits`` keep their types.

    No operator is left out: a strongly typed build refuses a graph that mixes types.
    """
    with silenced(), optional_imports("export to FP16"):
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        converted = convert_float_to_float16(
            onnx.load_from_string(model), keep_io_types=True, op_block_list=[]
        )
    graph.check_opset(converted)
    graph.strip(converted)
    onnx.checker.check_model(converted, full_check=True)
    return graph.to_bytes(converted)
