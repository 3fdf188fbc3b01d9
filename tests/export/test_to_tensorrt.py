from __future__ import annotations

import json
import sys

import pytest

from scunext_edge.errors import BackendMissing, ConfigError, ExportError
from scunext_edge.export.to_tensorrt import build_engine, build_plan, to_tensorrt

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def bundle(scunext_int8_tensorrt, folder):
    return to_tensorrt(scunext_int8_tensorrt, folder / "scunext-trt")


def test_what_ships_is_the_typed_onnx_and_its_recipe(scunext_int8_tensorrt, bundle):
    assert sorted(bundle.digests) == ["calibration.json", "model.onnx", "recipe.json"]
    assert bundle.digests["model.onnx"] == scunext_int8_tensorrt.digests["model.onnx"]
    assert (bundle.card.format, bundle.card.precision) == ("onnx", "int8")
    assert bundle.card.parent == scunext_int8_tensorrt.id
    assert bundle.card.details["for_engine"] == "tensorrt"


def test_the_recipe_builds_without_tf32_and_states_every_flag(bundle):
    found = json.loads(bundle.file("recipe.json").read_text())
    assert (found["precision"], found["tf32"]) == ("int8", False)
    ten, eleven = found["trtexec"]["10"], found["trtexec"]["11"]
    for commands in (ten, eleven):
        assert "--noTF32" in commands["build"]
        assert "--optShapes=image:1x64x64x3" in commands["build"]
    assert "--stronglyTyped" in ten["build"]
    assert "--noDataTransfers" in ten["compute"]
    assert "--includeDataTransfers" in eleven["transfer"]
    assert not [flag for flag in (*ten["build"], *eleven["build"]) if flag in {"--fp16", "--int8"}]


def test_an_int8_file_for_other_engines_is_refused(scunext_int8, tmp_path):
    with pytest.raises(ConfigError, match="fp32"):
        to_tensorrt(scunext_int8, tmp_path / "out")


def test_without_tensorrt_no_engine_is_built(bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendMissing, match="'tensorrt'"):
        build_engine(bundle, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["scunext", "unext"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_tensorrts_own_parser_and_builder_take_every_file(
    model, precision, calibration, request, tmp_path
):
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install 'scunext-edge[trt-check]'")
    from scunext_edge.export.export import export

    onnx = request.getfixturevalue(f"{model}_onnx")
    (made,) = export(
        onnx, to="tensorrt", precision=precision, out=tmp_path / "trt", calibration=calibration
    )
    assert len(build_plan(trt, made.file(".onnx").read_bytes(), size=64)) > 100_000


def test_what_the_parser_refuses_is_an_error_in_its_words_with_the_node():
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install 'scunext-edge[trt-check]'")
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    ends = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["N", 64, 64, 3])
        for name in ("image", "logits")
    ]
    node = helper.make_node("Transpose", ["image"], ["logits"], perm=[0, 2, 1, 3], name="turn_it")
    graph = helper.make_graph([node], "bad", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    with pytest.raises(ExportError, match=r"parser refuses(.|\n)*UInt8(.|\n)*\(node turn_it\)"):
        build_plan(trt, onnx.ModelProto.SerializeToString(model), size=64)
