"""What is special about ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.errors import BackendUnavailable, EngineError
from scunext_edge.runtime.precision import Work
from scunext_edge.runtime.registry import open_runner
from scunext_edge.runtime.runner import infer

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from scunext_edge.runtime.backends import ort as backend  # noqa: E402


def test_threads_and_order_are_what_was_asked_for(onnx_artifact):
    options = open_runner(onnx_artifact, "onnxruntime", threads=2)._session.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.inter_op_num_threads == 1
    assert options.execution_mode == ort.ExecutionMode.ORT_SEQUENTIAL


def test_the_result_is_the_one_that_the_network_means(onnx_artifact, tiny_onnx, image):
    import onnx
    from onnx.reference import ReferenceEvaluator

    (expected,) = ReferenceEvaluator(onnx.load_from_string(tiny_onnx())).run(None, image)
    got = infer(open_runner(onnx_artifact, "onnxruntime"), image)["logits"]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_int8_kernels_are_reported_where_they_ran(tmp_path, make_artifact, tiny_onnx):
    artifact = make_artifact(tmp_path / "q", tiny_onnx(quantized=True), precision="int8")
    assert open_runner(artifact, "onnxruntime").census().dominant == "int8"


def test_quantized_nodes_that_ran_in_float_are_reported_as_float(
    tmp_path, make_artifact, tiny_onnx, monkeypatch
):
    """With its fusion of Q/DQ off the engine runs the same file with float convolutions."""
    plain = backend._options

    def without_fusion(threads):
        options = plain(threads)
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        return options

    monkeypatch.setattr(backend, "_options", without_fusion)
    artifact = make_artifact(tmp_path / "q", tiny_onnx(quantized=True), precision="int8")
    assert open_runner(artifact, "onnxruntime").census().dominant == "fp32"


def test_profiling_leaves_no_file_behind(onnx_artifact, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    open_runner(onnx_artifact, "onnxruntime").census()
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(
    ("node", "work"),
    [
        (("Conv", [("float", [1, 3, 8, 8]), ("float", [16, 3, 3, 3])], [1, 16, 8, 8]), 27648),
        (("FusedConv", [("float16", [1, 4, 2, 2]), ("float16", [2, 2, 1, 1])], [1, 2, 2, 2]), 16),
        (
            ("ConvTranspose", [("float", [1, 4, 2, 2]), ("float", [4, 3, 2, 2])], [1, 3, 4, 4]),
            192,
        ),
        (("MatMul", [("float", [1, 5, 7]), ("float", [7, 2])], [1, 5, 2]), 70),
        (("Relu", [("float", [1, 3])], [1, 3]), None),
        (  # with a bias, and a skip that is added
            (
                "FusedConv",
                [("float", it) for it in ([1, 4, 2, 2], [8, 4, 1, 1], [8], [1, 8, 2, 2])],
                [1, 8, 2, 2],
            ),
            128,
        ),
    ],
)
def test_macs_of_a_node_come_from_its_shapes(node, work):
    operator, inputs, output = node
    kind = inputs[0][0]
    seen = backend._work(
        "node",
        {
            "op_name": operator,
            "input_type_shape": [{name: dims} for name, dims in inputs],
            "output_type_shape": [{kind: output}],
        },
    )
    precision = {"float": "fp32", "float16": "fp16"}[kind]
    assert seen == (None if work is None else Work(name="node", precision=precision, macs=work))


def test_an_integer_convolution_is_found_among_its_scales():
    node = {
        "op_name": "QLinearConv",
        "input_type_shape": [
            {"int8": [1, 3, 8, 8]}, {"float": []}, {"int8": []}, {"int8": [16, 3, 3, 3]},
            {"float": [16]}, {"int8": [16]}, {"float": []}, {"int8": []},
        ],
        "output_type_shape": [{"int8": [1, 16, 8, 8]}],
    }  # fmt: skip
    assert backend._work("a", node) == Work(name="a", precision="int8", macs=27648)


class CudaBuild:
    """An onnxruntime that was built with CUDA and works in host memory."""

    SessionOptions, ExecutionMode = ort.SessionOptions, ort.ExecutionMode
    __version__ = "1.31.1"

    def __init__(self, *, libraries_load: bool) -> None:
        self._libraries_load = libraries_load
        self.log: list[str] = []
        self.OrtValue = self

    def get_available_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def ortvalue_from_numpy(self, array, device, index):
        return array.copy()

    def InferenceSession(self, model, options, providers):
        ((asked, self.settings),) = providers
        ran = asked if self._libraries_load else "CPUExecutionProvider"
        return CudaSession(self.log, ort.InferenceSession(model, options), ran)


class CudaSession:
    def __init__(self, log, session, provider) -> None:
        self._log, self._session, self._provider = log, session, provider

    def get_providers(self):
        return [self._provider, "CPUExecutionProvider"]

    def io_binding(self):
        return CudaBinding(self._log)

    def run_with_iobinding(self, binding):
        self._log.append("run")
        binding.outputs = self._session.run(None, binding.inputs)


class CudaBinding:
    def __init__(self, log) -> None:
        self._log, self.inputs, self.outputs = log, {}, []

    def bind_ortvalue_input(self, name, value):
        self.inputs[name] = value

    def bind_output(self, name, device):
        assert (name, device) == ("logits", "cuda")

    def synchronize_inputs(self):
        self._log.append("synchronize_inputs")

    def synchronize_outputs(self):
        self._log.append("synchronize_outputs")

    def copy_outputs_to_cpu(self):
        return [array.copy() for array in self.outputs]


def test_the_gpu_is_refused_where_the_build_has_none(onnx_artifact):
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this build has a CUDA provider")
    with pytest.raises(BackendUnavailable, match="'cuda'") as caught:
        open_runner(onnx_artifact, "onnxruntime", device="cuda")
    assert caught.value.hint == "it offers: cpu"


def test_a_provider_that_was_silently_replaced_is_refused(onnx_artifact, monkeypatch):
    monkeypatch.setattr(backend, "ort", CudaBuild(libraries_load=False))
    with pytest.raises(BackendUnavailable, match=r"asked for CUDA.* chose CPU"):
        open_runner(onnx_artifact, "onnxruntime", device="cuda")


def test_on_the_gpu_every_step_waits_and_execute_copies_nothing(onnx_artifact, image, monkeypatch):
    build = CudaBuild(libraries_load=True)
    monkeypatch.setattr(backend, "ort", build)
    runner = open_runner(onnx_artifact, "onnxruntime", device="cuda")
    got = infer(runner, image)["logits"]
    assert build.log == ["synchronize_inputs", "run", "synchronize_outputs"]
    monkeypatch.undo()
    expected = infer(open_runner(onnx_artifact, "onnxruntime"), image)["logits"]
    np.testing.assert_array_equal(got, expected)
    runner.close()
    with pytest.raises(ValueError, match="closed"):
        runner.put(image)


def test_fp32_on_the_gpu_is_not_rounded_to_tf32(onnx_artifact, monkeypatch):
    build = CudaBuild(libraries_load=True)
    monkeypatch.setattr(backend, "ort", build)
    open_runner(onnx_artifact, "onnxruntime", device="cuda").close()
    assert build.settings == {"use_tf32": "0"}


def test_a_failing_run_is_an_engine_error_with_its_cause(onnx_artifact):
    runner = open_runner(onnx_artifact, "onnxruntime")
    runner.put({"image": np.zeros((1, 32, 32, 3), np.float32)})
    with pytest.raises(EngineError, match=r"onnxruntime: .*tensor\(float\)") as caught:
        runner.execute()
    assert caught.value.__cause__ is not None


def test_a_sum_that_was_joined_to_a_convolution_is_no_weights():
    node = {
        "op_name": "FusedConv",
        "input_type_shape": [
            {"float": [1, 8, 64, 64]},
            {"float": [16, 8, 1, 1]},
            {"float": [16]},
            {"float": [1, 16, 64, 64]},
        ],
        "output_type_shape": [{"float": [1, 16, 64, 64]}],
    }
    assert backend._work("a", node) == Work(name="a", precision="fp32", macs=64 * 64 * 16 * 8)
