"""MACs and bytes of layers against graphs that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scunext_edge.benchmarks.costs import Graph, count, layers_of
from scunext_edge.errors import ArtifactError, BackendMissing
from scunext_edge.weights import shipped

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

STEP = {"step": np.array(0.02, np.float32), "zero": np.array(0, np.int8)}


def model(nodes, weights, *, image=("N", 3, 8, 8), kind=TensorProto.FLOAT, output=None):
    """The bytes of a graph from ``image`` to ``y``."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", kind, image)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], name=f"n_{output}", **attributes)


def pair(name, output):
    """A Q/DQ pair."""
    return [
        node("QuantizeLinear", [name, "step", "zero"], f"{output}_int"),
        node("DequantizeLinear", [f"{output}_int", "step", "zero"], output),
    ]


def figures(layer):
    return layer.macs, layer.weight_bytes, layer.read_bytes, layer.written_bytes


def test_a_convolution_takes_in_what_follows_it():
    nodes = [
        node("Conv", ["image", "w", "b"], "a", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], "r"),
        node("MaxPool", ["r"], "y", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    content = model(nodes, {"w": zeros(16, 3, 3, 3), "b": zeros(16)})
    (layer,) = layers_of(content, precision="fp32")
    macs = 8 * 8 * 16 * 3 * 3 * 3
    bytes_ = (4 * (16 * 27 + 16), 4 * 3 * 8 * 8, 4 * 16 * 4 * 4)  # the pooled map alone is written
    assert (layer.name, layer.op, layer.precision) == ("n_a", "Conv", "fp32")
    assert figures(layer) == (macs, *bytes_)
    assert layer.names == ("n_a", "a", "n_r", "r", "n_y", "y")
    (half,) = layers_of(content, precision="fp16")
    assert figures(half) == (macs, *(it // 2 for it in bytes_))


def test_a_depthwise_convolution_has_one_filter_for_each_channel():
    nodes = [node("Conv", ["image", "w"], "y", pads=[1, 1, 1, 1], group=3)]
    (layer,) = layers_of(model(nodes, {"w": zeros(3, 1, 3, 3)}), precision="fp32")
    assert figures(layer) == (3 * 8 * 8 * 9, 4 * 27, 4 * 192, 4 * 192)


def test_a_transposed_convolution_multiplies_every_input():
    nodes = [node("ConvTranspose", ["image", "w"], "y", strides=[2, 2])]
    (layer,) = layers_of(model(nodes, {"w": zeros(3, 5, 2, 2)}), precision="fp32")
    assert figures(layer) == (3 * 8 * 8 * 5 * 4, 4 * 60, 4 * 192, 4 * 5 * 16 * 16)


@pytest.mark.parametrize("turned", [0, 1])
def test_products_of_matrices(turned):
    nodes = [node("Gemm", ["image", "w"], "y", transA=turned)]
    image = (6, 4) if turned else (4, 6)
    (layer,) = layers_of(model(nodes, {"w": zeros(6, 7)}, image=image), precision="fp32")
    assert figures(layer) == (4 * 7 * 6, 4 * 42, 4 * 24, 4 * 28)


def test_a_product_of_two_maps_reads_both():
    nodes = [
        node("Transpose", ["image"], "t", perm=[0, 2, 1]),
        node("MatMul", ["image", "t"], "y"),
    ]
    turned, product = layers_of(model(nodes, {}, image=("N", 5, 6)), precision="fp32")
    assert figures(turned) == (0, 0, 120, 120)
    assert figures(product) == (5 * 5 * 6, 0, 240, 100)


def test_a_skip_is_written_once_and_read_again():
    nodes = [
        node("Conv", ["image", "w"], "a"),
        node("Conv", ["a", "v"], "b"),
        node("Add", ["a", "b"], "y"),
    ]
    first, second = layers_of(
        model(nodes, {"w": zeros(3, 3, 1, 1), "v": zeros(3, 3, 1, 1)}), precision="fp32"
    )
    side = 4 * 3 * 8 * 8
    assert figures(first) == (576, 36, side, side)
    assert figures(second) == (576, 36, side, side)  # `a` serves the product and the sum
    assert "n_y" in second.names


def quantized():
    """A quantized convolution whose result a float one reads, as attention does, and a sum too."""
    nodes = [
        *pair("image", "q"),
        node("DequantizeLinear", ["w", "step", "zero"], "wd"),
        node("Conv", ["q", "wd", "b"], "a"),
        node("Relu", ["a"], "r"),
        *pair("r", "rq"),
        node("DequantizeLinear", ["v", "step", "zero"], "vd"),
        node("Conv", ["rq", "vd"], "c"),
        node("Conv", ["r", "u"], "d"),
        node("Add", ["c", "d"], "y"),
    ]
    weights = {
        "w": zeros(4, 3, 1, 1, dtype=np.int8),
        "b": zeros(4),
        "v": zeros(2, 4, 1, 1, dtype=np.int8),
        "u": zeros(2, 4, 1, 1),
    }
    return model(nodes, weights | STEP)


def test_in_a_qdq_file_what_is_quantized_has_one_byte():
    first, second, third = layers_of(quantized(), precision="int8")
    assert [it.precision for it in (first, second, third)] == ["int8", "int8", "fp32"]
    # the image comes in as float; `r` is written for both of its readers, as int8 and as float
    assert figures(first) == (64 * 12, 12 + 16, 192, 256 + 4 * 256)
    assert figures(second) == (64 * 8, 8, 256, 4 * 128)
    assert figures(third) == (64 * 8, 32, 4 * 256 + 4 * 128, 4 * 128)
    assert {"n_wd", "n_rq_int"} <= set(first.names)


def test_where_the_engine_ran_floats_the_pairs_move_floats():
    first, second, third = layers_of(quantized(), precision="fp32")
    assert {it.precision for it in (first, second, third)} == {"fp32"}
    assert figures(first) == (64 * 12, 48 + 16, 4 * 192, 4 * 256)
    assert second.read_bytes == 4 * 256


def test_a_float_file_that_ran_in_int8_counts_every_product_so():
    nodes = [node("Conv", ["image", "w", "b"], "a"), node("Relu", ["a"], "y")]
    content = model(nodes, {"w": zeros(4, 3, 1, 1), "b": zeros(4)})
    (layer,) = layers_of(content, precision="int8")
    assert (layer.precision, *figures(layer)) == ("int8", 64 * 12, 12 + 16, 192, 4 * 256)


def test_constants_that_are_computed_are_weights():
    nodes = [
        node("Constant", [], "k", value=numpy_helper.from_array(zeros(3, 4))),
        node("Transpose", ["k"], "kt", perm=[1, 0]),
        node("Reshape", ["kt", "shape"], "w"),
        node("Conv", ["image", "w"], "y"),
    ]
    (layer,) = layers_of(model(nodes, {"shape": np.array([4, 3, 1, 1])}), precision="fp32")
    assert (layer.macs, layer.weight_bytes) == (64 * 12, 48)


def test_a_batch_moves_weights_once():
    (layer,) = layers_of(
        model([node("Conv", ["image", "w"], "y")], {"w": zeros(3, 3, 1, 1)}), precision="fp32"
    )
    assert layer.bytes_of(3) == 36 + 3 * 2 * 768


def test_what_cannot_be_counted_is_told():
    with pytest.raises(ArtifactError, match="cannot be read"):
        layers_of(b"no graph", precision="fp32")
    with pytest.raises(ArtifactError, match="int4"):
        layers_of(quantized(), precision="int4")
    open_sides = model(
        [node("Reshape", ["image", "s"], "a"), node("MatMul", ["a", "w"], "y")],
        {"w": zeros(3, 3)},
        image=(1, 3),
    )
    proto = onnx.load_from_string(open_sides)
    proto.graph.input.append(helper.make_tensor_value_info("s", TensorProto.INT64, [2]))
    with pytest.raises(ArtifactError, match="shape of 'a'"):
        layers_of(proto.SerializeToString(), precision="fp32")


def test_several_files_are_counted_in_one_child(tmp_path):
    content = model([node("Conv", ["image", "w"], "y")], {"w": zeros(3, 3, 1, 1)})
    (tmp_path / "good.onnx").write_bytes(content)
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    names = ("good", "broken", "absent")
    good, *others = count([Graph(tmp_path / f"{name}.onnx", "fp32") for name in names])
    assert good == layers_of(content, precision="fp32")
    assert others == [None, None]


def test_without_onnx_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda name: None)
    with pytest.raises(BackendMissing, match="onnx"):
        layers_of(b"", precision="fp32")


@pytest.mark.parametrize("name", shipped.names())
def test_the_layers_of_a_shipped_network_do_all_its_work(name):
    """The MACs are those that torch's counter found when the weights were made."""
    for form in ("onnx-fp32", "onnx-int8"):
        artifact = shipped.shipped(name, form)
        content = Path(artifact.file(".onnx")).read_bytes()
        found = layers_of(content, precision=artifact.card.precision)
        held = artifact.card.details["complexity"]
        assert sum(layer.macs for layer in found) == held["macs"]
