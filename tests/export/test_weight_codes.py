"""Fewer bits and coarser scales, in a file of the same form."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.export import graph
from scunext_edge.export.weight_codes import WeightCodes, narrow, scales

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import numpy_helper  # noqa: E402

from scunext_edge.export.to_int8 import quantize, to_int8  # noqa: E402


def weights_of(content):
    """Layer -> codes, scale, axis of the scales."""
    model = onnx.load_from_string(content)
    constants = {it.name: numpy_helper.to_array(it) for it in model.graph.initializer}
    makers = graph.producers(model.graph)
    pairs = {node.name: makers[node.input[1]] for node in graph.quantized_nodes(model)}
    return {
        name: (constants[it.input[0]], constants[it.input[1]], graph.channel_axis(it))
        for name, it in pairs.items()
    }


def floats_of(artifact):
    model = onnx.load(artifact.file(".onnx"))
    constants = {it.name: numpy_helper.to_array(it) for it in model.graph.initializer}
    return {
        node.name: constants[node.input[1]]
        for node in model.graph.node
        if node.op_type in graph.QUANTIZED
    }


def structure(content):
    model = onnx.load_from_string(content)
    kept = [(tensor.name, tensor.data_type) for tensor in model.graph.initializer]
    return [node.SerializeToString() for node in model.graph.node], kept


@pytest.mark.parametrize(("bits", "top"), [(8, 127), (4, 7), (3, 3), (2, 1)])
def test_codes_are_symmetric(bits, top):
    assert WeightCodes(bits=bits).top == top


@pytest.mark.parametrize("bits", [1, 9, 0, -4])
def test_other_widths_are_refused(bits):
    with pytest.raises(ConfigError, match=f"weights of {bits} bits"):
        WeightCodes(bits=bits)


def test_four_bits_change_codes_and_scales_and_nothing_else(
    scunext_onnx, scunext_int8, calibration, tmp_path
):
    codes = WeightCodes(bits=4)
    made = to_int8(scunext_onnx, tmp_path / "four", calibration=calibration, codes=codes)
    content, full = (it.file(".onnx").read_bytes() for it in (made, scunext_int8))
    assert structure(content) == structure(full)
    floats = floats_of(scunext_onnx)
    for name, (found, scale, axis) in weights_of(content).items():
        assert found.dtype == np.int8
        assert np.abs(found).max() == 7, name
        shape = [-1 if at == axis else 1 for at in range(found.ndim)]
        spread = scale.reshape(shape) if scale.size > 1 else scale
        apart = np.abs(found * spread - floats[name])
        assert (apart <= 0.5001 * spread).all(), name
    assert made.card.details["weights"] == {"bits": 4, "per_channel": True}


def test_per_tensor_there_is_one_scale_a_layer(scunext_onnx, calibration, tmp_path):
    codes = WeightCodes(per_channel=False)
    made = to_int8(scunext_onnx, tmp_path / "coarse", calibration=calibration, codes=codes)
    found = weights_of(made.file(".onnx").read_bytes())
    assert {scale.size for _, scale, _ in found.values()} == {1}
    assert made.card.details["weights"] == {"bits": 8, "per_channel": False}


@pytest.mark.parametrize("per_channel", [True, False])
def test_at_eight_bits_it_is_what_the_quantizer_does(scunext_onnx, calibration, per_channel):
    """So a tuned network, which rounds by the same rule, meets its own codes in the file."""
    original = scunext_onnx.file(".onnx").read_bytes()
    codes = WeightCodes(per_channel=per_channel)
    content = quantize(original, calibration, size=64, method="minmax", codes=codes)
    model = onnx.load_from_string(content)
    narrow(model, onnx.load_from_string(original), codes)
    again = weights_of(model.SerializeToString())
    for name, (found, scale, _) in weights_of(content).items():
        np.testing.assert_array_equal(again[name][0], found, err_msg=name)
        np.testing.assert_allclose(again[name][1], scale, rtol=1e-6, err_msg=name)


def test_a_channel_of_zeros_has_a_scale():
    found = scales(np.array([[0, 0], [1, -2]], np.float32), 7, axis=0)
    np.testing.assert_array_equal(found, np.array([[1], [2 / 7]], np.float32))


def test_every_engine_s_rules_are_kept(scunext_onnx, calibration):
    content = quantize(
        scunext_onnx.file(".onnx").read_bytes(),
        calibration,
        size=64,
        method="minmax",
        codes=WeightCodes(bits=4, per_channel=False),
    )
    graph.check_quantized(onnx.load_from_string(content))


def test_the_native_engine_computes_such_a_file_as_well_as_one_of_eight_bits(calibration, tmp_path):
    from scunext_edge.export.to_native import to_native
    from scunext_edge.weights.shipped import shipped

    flipped = []
    for bits in (8, 4):
        codes = WeightCodes(bits=bits, per_channel=False)
        parent = shipped("unext", "onnx-fp32")
        made = to_int8(parent, tmp_path / f"{bits}", calibration=calibration, codes=codes)
        native = to_native(made, tmp_path / f"native-{bits}", precision="int8")
        flipped.append(native.card.details["parity"]["flipped_pixels"])
    assert max(flipped) < 3e-3
