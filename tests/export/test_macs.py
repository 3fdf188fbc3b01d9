from __future__ import annotations

import pytest

from scunext_edge.export.macs import macs_by_layer
from scunext_edge.runtime.registry import open_runner

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402


def test_all_together_are_what_torch_counts(scunext, scunext_onnx):
    runner = open_runner(scunext, "torch")
    counted = macs_by_layer(scunext_onnx.file(".onnx").read_bytes())
    assert sum(counted.values()) == sum(it.macs for it in runner.census().work)


def test_quantization_changes_no_count(scunext_onnx, scunext_int8, scunext_int8_tensorrt):
    counts = [
        macs_by_layer(it.file(".onnx").read_bytes())
        for it in (scunext_onnx, scunext_int8, scunext_int8_tensorrt)
    ]
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_product_whose_left_side_is_turned_is_as_costly(transposed):
    ends = [
        helper.make_tensor_value_info("a", TensorProto.FLOAT, ["N", 7]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5]),
    ]
    turn = [helper.make_node("Transpose", ["a"], ["left"], perm=[1, 0])] if transposed else []
    name = "left" if transposed else "a"
    product = helper.make_node("Gemm", [name, "w"], ["y"], name="product", transA=transposed)
    weights = helper.make_tensor("w", TensorProto.FLOAT, [7, 5], [0.0] * 35)
    graph = helper.make_graph([*turn, product], "g", ends[:1], ends[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    assert macs_by_layer(model.SerializeToString()) == {"product": 35}
