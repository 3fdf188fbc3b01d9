"""Layers go back to float one by one, until the FP32 file is there again."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.data.preprocess import to_network
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import ConfigError
from scunext_edge.export import graph
from scunext_edge.export.forwards import onnx_forward
from scunext_edge.export.mixed import keep_float, quantized_layers, without_quantization
from scunext_edge.weights.shipped import shipped

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

FP32 = shipped("unext", "onnx-fp32").file(".onnx").read_bytes()
INT8 = shipped("unext", "onnx-int8").file(".onnx").read_bytes()
LAYERS = quantized_layers(INT8)


@pytest.fixture(scope="module")
def images():
    return to_network(SyntheticLesions(1, seed=2)[0].image_hwc, 256)[None]


def operators(content):
    return [node.op_type for node in onnx.load_from_string(content).graph.node]


def test_the_layers_are_those_that_read_quantized_values():
    assert len(LAYERS) == len(set(LAYERS)) > 20
    assert quantized_layers(FP32) == []


def test_with_all_layers_in_float_it_is_the_fp32_network_again(images):
    content = keep_float(FP32, INT8, LAYERS)
    assert "QuantizeLinear" not in operators(content)
    assert sorted(operators(content)) == sorted(operators(FP32))
    np.testing.assert_array_equal(onnx_forward(content)(images), onnx_forward(FP32)(images))


def test_with_none_it_is_the_quantized_one():
    assert keep_float(FP32, INT8, []) == graph.to_bytes(onnx.load_from_string(INT8))


def test_one_layer_in_float_takes_its_pairs_and_constants_with_it():
    content = keep_float(FP32, INT8, LAYERS[:1])
    assert quantized_layers(content) == LAYERS[1:]
    before, after = (onnx.load_from_string(it).graph for it in (INT8, content))
    readers = {name for node in after.node for name in node.input}
    assert {tensor.name for tensor in after.initializer} <= readers
    assert operators(content).count("QuantizeLinear") < operators(INT8).count("QuantizeLinear")
    assert len(before.output) == len(after.output) == 1


def test_a_mixed_file_keeps_the_rules_that_every_engine_needs():
    graph.check_quantized(onnx.load_from_string(keep_float(FP32, INT8, LAYERS[::2])))


def test_without_quantization_it_is_a_float_network_with_rounded_weights(images):
    content = without_quantization(INT8)
    assert not {"QuantizeLinear", "DequantizeLinear"} & set(operators(content))
    assert sorted(operators(content)) == sorted(operators(FP32))
    floats, rounded = onnx_forward(FP32)(images), onnx_forward(content)(images)
    assert abs(floats - rounded).max() > 0
    assert ((floats > 0) != (rounded > 0)).mean() < 0.01


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="no quantized layer called nowhere"):
        keep_float(FP32, INT8, [LAYERS[0], "nowhere"])
