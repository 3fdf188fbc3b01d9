from __future__ import annotations

import pytest

from scunext_edge.errors import ConfigError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from scunext_edge.export.to_fp16 import to_fp16  # noqa: E402


@pytest.fixture(scope="module")
def half(scunext_onnx, folder):
    return to_fp16(scunext_onnx, folder / "scunext-fp16")


@pytest.mark.parametrize("name", ["half", "scunext_int8_tensorrt"])
def test_nothing_but_the_factors_of_resizing_stays_fp32(name, request):
    """ONNX types those as float32 whatever is resized."""
    model = onnx.load(request.getfixturevalue(name).file(".onnx"))
    single = {it.name for it in model.graph.initializer if it.data_type == onnx.TensorProto.FLOAT}
    factors = {node.input[2] for node in model.graph.node if node.op_type == "Resize"}
    assert single == factors


def test_the_ends_keep_their_types(half):
    graph = onnx.load(half.file(".onnx")).graph
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    casts = [node.attribute[0].i for node in graph.node if node.op_type == "Cast"]
    assert casts == [onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT]


def test_it_is_half_the_size_and_flips_few_pixels(scunext_onnx, half):
    assert half.size_bytes < 0.55 * scunext_onnx.size_bytes
    assert (half.card.precision, half.card.parent) == ("fp16", scunext_onnx.id)
    assert half.card.details["parity"]["flipped_pixels"] <= 1e-3


def test_an_fp16_artifact_is_not_converted_again(half, tmp_path):
    with pytest.raises(ConfigError, match="starts from onnx fp32"):
        to_fp16(half, tmp_path / "out")
