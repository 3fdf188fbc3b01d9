from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.export import graph

onnx = pytest.importorskip("onnx")
ov = pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")

from scunext_edge.export import to_openvino as module  # noqa: E402
from scunext_edge.export.to_openvino import Bound, to_openvino, to_openvino_nncf  # noqa: E402


@pytest.mark.parametrize(("precision", "difference"), [("fp32", 1e-4), ("fp16", 0.2)])
def test_floats_stay_close_to_their_onnx(scunext_onnx, tmp_path, precision, difference):
    made = to_openvino(scunext_onnx, tmp_path / "ir", precision=precision)
    assert sorted(made.digests) == ["model.bin", "model.xml"]
    card = made.card
    assert (card.format, card.precision, card.parent) == ("openvino", precision, scunext_onnx.id)
    assert card.details["parity"]["max_logit_difference"] < difference
    assert card.details["checkpoint"] == scunext_onnx.card.parent


def test_fp16_halves_the_weights(scunext_onnx, tmp_path):
    full = to_openvino(scunext_onnx, tmp_path / "full", precision="fp32")
    half = to_openvino(scunext_onnx, tmp_path / "half", precision="fp16")
    assert half.file(".bin").stat().st_size < 0.6 * full.file(".bin").stat().st_size


def test_int8_is_the_one_quantized_model(scunext_int8, tmp_path, openvino_saturates):
    """Without VNNI its sums overflow: it is written all the same, since it may run elsewhere."""
    made = to_openvino(scunext_int8, tmp_path / "ir", precision="int8")
    assert (made.card.precision, made.card.quantizer) == ("int8", "qdq")
    assert made.card.details["calibration"] == scunext_int8.card.details["calibration"]
    assert made.card.details["parity"]["flipped_pixels"] < (0.5 if openvino_saturates else 2e-3)


@pytest.mark.parametrize(("isa", "remarks"), [(["avx2"], True), (["avx2", "avx_vnni"], False)])
def test_a_card_says_where_its_parity_is_the_processors_fault(
    scunext_int8, tmp_path, monkeypatch, isa, remarks
):
    monkeypatch.setattr(module, "machine", lambda: {"isa": isa})
    made = to_openvino(scunext_int8, tmp_path / "ir", precision="int8")
    assert ("parity_remark" in made.card.details) == remarks


def test_nncf_is_a_quantizer_of_its_own_and_leaves_attention_alone(
    scunext_onnx, calibration, tmp_path, capfd
):
    pytest.importorskip("nncf")
    made = to_openvino_nncf(scunext_onnx, tmp_path / "nncf", calibration=calibration)
    assert capfd.readouterr() == ("", "")
    assert (made.card.precision, made.card.quantizer) == ("int8", "nncf")
    assert made.card.details["calibration"]["ids"] == list(calibration.ids)
    model = ov.Core().read_model(made.file(".xml"))
    convolutions = [op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]
    # Weights of quantized convolutions are codes with a scale after them
    in_float = [
        op for op in convolutions if op.input_value(1).get_node().get_type_name() == "Constant"
    ]
    names = {op.get_friendly_name().removesuffix("/WithoutBiases") for op in in_float}
    assert names == set(graph.attention_nodes(onnx.load(scunext_onnx.file(".onnx"))))
    assert len(convolutions) > len(names) == 25


def test_the_same_model_gives_the_same_bytes_and_no_trace_of_the_machine(scunext_onnx, tmp_path):
    first, second = (
        to_openvino(scunext_onnx, tmp_path / name, precision="fp32") for name in ("1", "2")
    )
    assert first.id == second.id
    content = first.file(".xml").read_text()
    for mark in (sys.prefix, str(Path.home()), str(tmp_path), str(scunext_onnx.directory), ".onnx"):
        assert mark not in content


def test_the_wrong_parent_is_refused(scunext_onnx, scunext_int8_tensorrt, tmp_path):
    with pytest.raises(ConfigError, match="starts from onnx int8"):
        to_openvino(scunext_onnx, tmp_path / "out", precision="int8")
    with pytest.raises(ConfigError, match="made for tensorrt"):
        to_openvino(scunext_int8_tensorrt, tmp_path / "out", precision="int8")
    assert list(tmp_path.iterdir()) == []


def test_with_a_bound_nncf_keeps_layers_in_float_until_it_holds(
    scunext_onnx, calibration, tmp_path
):
    """A bound that INT8 keeps anyway costs nothing; a tight one may cost layers."""
    pytest.importorskip("nncf")
    easy, hard = (
        to_openvino_nncf(
            scunext_onnx,
            tmp_path / name,
            calibration=calibration,
            bound=Bound(max_drop=most, validation=calibration),
        )
        for name, most in (("easy", 0.9), ("hard", 0.0))
    )
    assert (easy.card.precision, easy.card.quantizer) == ("int8", "nncf")
    assert "calibration.json" in hard.digests
    size = [it.file(".bin").stat().st_size for it in (easy, hard)]
    assert size[0] <= size[1]
