"""What is special about OpenVINO."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.errors import BackendUnavailable
from scunext_edge.runtime.registry import open_runner
from scunext_edge.runtime.runner import infer

pytest.importorskip("onnx")
ov = pytest.importorskip("openvino")

from scunext_edge.runtime.backends import ov as backend  # noqa: E402

SIZE = 32


def compiled(runner):
    return runner._request_for(1).get_compiled_model()


def test_threads_streams_and_precision_are_what_was_asked_for(onnx_artifact):
    model = compiled(open_runner(onnx_artifact, "openvino", threads=2))
    assert model.get_property("INFERENCE_NUM_THREADS") == 2
    assert model.get_property("NUM_STREAMS") == 1
    assert model.get_property("INFERENCE_PRECISION_HINT") == ov.Type.f32
    assert model.get_property("EXECUTION_DEVICES") == ["CPU"]


def test_the_model_is_compiled_for_its_batch_size_and_only_in_put(onnx_artifact, monkeypatch):
    runner = open_runner(onnx_artifact, "openvino")
    assert list(compiled(runner).input(0).shape) == [1, SIZE, SIZE, 3]
    compilations = []
    request_for = runner._request_for
    monkeypatch.setattr(runner, "_request_for", lambda n: compilations.append(n) or request_for(n))
    for count in (3, 1, 3):
        runner.put({"image": np.zeros((count, SIZE, SIZE, 3), np.uint8)})
    seen = list(compilations)
    runner.execute()
    runner.get()
    assert seen == compilations == [3, 1, 3]
    assert sorted(runner._requests) == [1, 3]


def test_an_int8_model_runs_as_int8(tmp_path, make_artifact, tiny_onnx):
    artifact = make_artifact(tmp_path / "q", tiny_onnx(quantized=True), precision="int8")
    assert open_runner(artifact, "openvino").census().dominant == "int8"


def test_its_own_format_gives_the_same_as_onnx(tmp_path, make_artifact, onnx_artifact, image):
    expected = infer(open_runner(onnx_artifact, "openvino"), image)["logits"]
    model = ov.Core().read_model(onnx_artifact.file(".onnx"))
    ov.save_model(model, tmp_path / "m.xml", compress_to_fp16=False)
    artifact = make_artifact(
        tmp_path / "ir", (tmp_path / "m.xml").read_bytes(), name="m.xml", format="openvino"
    )
    (artifact.directory / "m.bin").write_bytes((tmp_path / "m.bin").read_bytes())
    got = infer(open_runner(artifact, "openvino"), image)["logits"]
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("precision", "capability"), [("fp16", "FP16"), ("bf16", "BF16")])
def test_a_precision_that_the_processor_lacks_is_refused(
    tmp_path, make_artifact, tiny_onnx, precision, capability
):
    offered = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    artifact = make_artifact(tmp_path / "half", tiny_onnx(), precision=precision)
    if capability in offered:
        assert open_runner(artifact, "openvino").census().dominant == precision
        return
    with pytest.raises(BackendUnavailable, match=f"no {precision}") as caught:
        open_runner(artifact, "openvino")
    assert "fp32, " in caught.value.hint


def test_the_default_of_the_engine_is_not_taken_for_fp32(onnx_artifact):
    """Without the hint this engine computes in bf16 or f16 where the processor has it."""
    properties = backend._properties(ov.Core(), onnx_artifact, "CPU", 1)
    assert properties["INFERENCE_PRECISION_HINT"] == "f32"
