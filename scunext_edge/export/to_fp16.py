"""A typed FP16 graph from an FP32 one, for engines that take types as written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scunext_edge.artifacts import Artifact
from scunext_edge.export import graph, parity
from scunext_edge.export.forwards import onnx_forward
from scunext_edge.export.imports import optional_imports, silenced, translated
from scunext_edge.export.parity import Images
from scunext_edge.export.writing import MODEL, inherited, require, write


def to_fp16(onnx_artifact: Artifact, out: Path, *, images: Images | None = None) -> Artifact:
    """Turn an FP32 ONNX artifact into an FP16 one; needs no torch."""
    require(onnx_artifact, format="onnx", precision="fp32", wanted_by="FP16")
    original = onnx_artifact.file(".onnx").read_bytes()
    model = to_half(original)
    figures = parity.compare(
        onnx_forward(original),
        onnx_forward(model),
        parity.default_images(onnx_artifact.spec.size) if images is None else images,
        of=(f"onnx {onnx_artifact.id}", "onnx fp16"),
    )
    details = {**inherited(onnx_artifact), "parity": parity.check(figures, "fp16").to_json()}
    card = replace(onnx_artifact.card, precision="fp16", parent=onnx_artifact.id, details=details)
    return write(out, card, {MODEL: model})


def to_half(model: bytes) -> bytes:
    """Every float tensor inside becomes float16; ``image`` and ``logits`` keep their types.

    No operator is left out: a strongly typed build refuses a graph that mixes types.
    """
    with silenced(), translated("export to FP16"), optional_imports("export to FP16"):
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        converted = convert_float_to_float16(
            onnx.load_from_string(model), keep_io_types=True, op_block_list=[]
        )
    graph.check_opset(converted)
    graph.strip(converted)
    onnx.checker.check_model(converted, full_check=True)
    return graph.to_bytes(converted)
