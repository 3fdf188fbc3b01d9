from __future__ import annotations

import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.export import export as module
from scunext_edge.export.export import export

pytest.importorskip("onnxruntime")


def test_a_checkpoint_becomes_what_was_asked_for_and_nothing_else(tiny, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("openvino")
    (made,) = export(tiny, to="openvino", precision="fp16", out=tmp_path / "ir")
    assert (made.card.format, made.card.precision) == ("openvino", "fp16")
    assert [path.name for path in tmp_path.iterdir()] == ["ir"]


def test_steps_on_the_way_are_kept_when_asked(tiny, calibration, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("openvino")
    made = export(
        tiny,
        to="openvino",
        precision="int8",
        out=tmp_path / "ir",
        size=96,
        calibration=calibration,
        keep=True,
    )
    steps = [(step.card.format, step.card.precision, step.directory.name) for step in made]
    assert steps == [
        ("onnx", "fp32", "ir-onnx-fp32"),
        ("onnx", "int8", "ir-onnx-int8"),
        ("openvino", "int8", "ir"),
    ]
    assert [step.card.parent for step in made] == [tiny.id, made[0].id, made[1].id]
    assert {step.spec.size for step in made} == {96}
    assert {step.card.details["checkpoint"] for step in made} == {tiny.id}


def test_an_onnx_artifact_needs_no_checkpoint(scunext_onnx, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "to_onnx", None)
    (made,) = export(scunext_onnx, to="onnx", precision="fp16", out=tmp_path / "half")
    assert made.card.parent == scunext_onnx.id


def test_the_quantized_model_goes_to_openvino_without_calibrating_again(scunext_int8, tmp_path):
    pytest.importorskip("openvino")
    (made,) = export(scunext_int8, to="openvino", precision="int8", out=tmp_path / "ir")
    assert made.card.parent == scunext_int8.id


def test_tensorrt_int8_is_typed_for_it(scunext_onnx, calibration, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    (made,) = export(
        scunext_onnx, to="tensorrt", precision="int8", out=tmp_path / "t", calibration=calibration
    )
    assert made.card.details["for_engine"] == "tensorrt"
    assert "recipe.json" in made.digests


@pytest.mark.parametrize("to", ["onnx", "openvino", "tensorrt"])
def test_int8_without_images_says_what_to_give(scunext_onnx, tmp_path, to):
    with pytest.raises(ConfigError, match="none were given") as caught:
        export(scunext_onnx, to=to, precision="int8", out=tmp_path / "out")
    assert "--data" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"to": "coreml"}, "'coreml'"),
        ({"precision": "fp8"}, "'fp8'"),
        ({"quantizer": "awq"}, "'awq'"),
        ({"quantizer": "nncf"}, "nncf does not make onnx fp16"),
        ({"size": 128}, "exported at 64"),
        ({"precision": "fp32"}, "already"),
    ],
)
def test_what_cannot_be_made_is_refused_with_what_can(scunext_onnx, tmp_path, wrong, said):
    asked = {"to": "onnx", "precision": "fp16", **wrong}
    with pytest.raises(ConfigError, match=said):
        export(scunext_onnx, out=tmp_path / "out", **asked)
    assert list(tmp_path.iterdir()) == []


def test_an_int8_artifact_does_not_become_a_float(scunext_int8, tmp_path):
    with pytest.raises(ConfigError, match="cannot be made from it"):
        export(scunext_int8, to="openvino", precision="fp32", out=tmp_path / "out")
