from __future__ import annotations

import pytest

from scunext_edge.errors import ExportError
from scunext_edge.export import graph

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402


def test_attention_is_found_by_structure(scunext_onnx, unext_onnx):
    """Five CBAM modules: two layers used twice each (mean and maximum), and one over space."""
    assert len(graph.attention_nodes(onnx.load(scunext_onnx.file(".onnx")))) == 25
    assert graph.attention_nodes(onnx.load(unext_onnx.file(".onnx"))) == []


def test_a_convolution_after_attention_is_not_part_of_it():
    model = _model(
        ("ReduceMax", ["x"], "pooled"),
        ("Conv", ["pooled", "w"], "squeezed"),
        ("Relu", ["squeezed"], "active"),
        ("Conv", ["active", "w"], "excited"),
        ("Sigmoid", ["excited"], "gate"),
        ("Mul", ["x", "gate"], "gated"),
        ("Conv", ["gated", "w"], "y"),
    )
    assert graph.attention_nodes(model) == ["squeezed", "excited"]


def test_a_plain_quantized_graph_passes():
    graph.check_quantized(_quantized())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"zero_point_type": TensorProto.UINT8}, "uint8"),
        ({"zero_point_type": TensorProto.INT32}, "int32"),
        ({"zero_point": 3}, "zero point other than 0"),
        ({"before": "ReduceMax"}, "quantizes a maximum"),
        ({"before": "GlobalMaxPool"}, "quantizes a maximum"),
        ({"reader": "Add"}, "reads quantized values"),
    ],
)
def test_what_an_engine_would_get_wrong_is_refused(changes, reason):
    with pytest.raises(ExportError, match=reason):
        graph.check_quantized(_quantized(**changes))


def test_a_maximum_is_found_behind_a_concat():
    model = _model(
        ("ReduceMax", ["x"], "most"),
        ("ReduceMean", ["x"], "mean"),
        ("Concat", ["most", "mean"], "both"),
        ("QuantizeLinear", ["both", "scale", "zero"], "q"),
        ("DequantizeLinear", ["q", "scale", "zero"], "dq"),
    )
    with pytest.raises(ExportError, match="maximum"):
        graph.check_quantized(model)


def test_a_graph_without_quantization_is_refused():
    with pytest.raises(ExportError, match="nothing"):
        graph.check_quantized(_model(("Relu", ["x"], "y")))


def test_readers_that_are_not_quantized_get_the_float_tensor_back():
    model = _quantized()
    model.graph.node.append(helper.make_node("Add", ["dq", "x"], ["sum"], name="sum"))
    graph.confine_quantization(model)
    inputs = {node.name: list(node.input) for node in model.graph.node}
    assert inputs["sum"] == ["float", "x"]
    assert inputs["y"] == ["dq", "w"]


def test_another_opset_is_refused():
    model = _model(("Relu", ["x"], "y"))
    graph.check_opset(model)
    model.opset_import[0].version = 18
    with pytest.raises(ExportError, match="18"):
        graph.check_opset(model)


def test_stripping_leaves_only_what_engines_read():
    model = _model(("Relu", ["x"], "y"))
    model.producer_name, model.doc_string = "somebody", "made at home"
    model.graph.node[0].doc_string = "line 3"
    model.graph.node[0].metadata_props.add(key="stack", value="/home/me/net.py")
    model.graph.value_info.append(helper.make_tensor_value_info("v", TensorProto.FLOAT, [1]))
    content = graph.to_bytes(model)
    for word in (b"somebody", b"home", b"line 3", b"stack"):
        assert word not in content
    assert not model.graph.value_info


def _quantized(*, zero_point=0, zero_point_type=TensorProto.INT8, before="Relu", reader="Conv"):
    return _model(
        (before, ["x"], "float"),
        ("QuantizeLinear", ["float", "scale", "zero"], "q"),
        ("DequantizeLinear", ["q", "scale", "zero"], "dq"),
        (reader, ["dq", "w"], "y"),
        zero=helper.make_tensor("zero", zero_point_type, [], [zero_point]),
    )


def _model(*nodes, zero=None):
    """Nodes as (operator, inputs, output); each is named after its output."""
    zero = zero or helper.make_tensor("zero", TensorProto.INT8, [], [0])
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [0.1])
    made = [helper.make_node(kind, inputs, [out], name=out) for kind, inputs, out in nodes]
    body = helper.make_graph(made, "test", [], [], initializer=[scale, zero])
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", graph.OPSET)])
