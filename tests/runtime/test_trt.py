"""The TensorRT backend against a stand-in that has the names of two real versions, no more."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.benchmarks import worker
from scunext_edge.errors import ArtifactError, BackendMissing, BackendUnavailable, EngineError
from scunext_edge.runtime import registry
from scunext_edge.runtime.runner import infer

HERE = Path(__file__).parent
PLAIN = {"max_batch": 4}
APIS = {path.stem: json.loads(path.read_text()) for path in (HERE / "trt_api").glob("*.json")}


def _load_fakes():
    """Tests are no package, so a file beside this one is loaded by its path."""
    found = importlib.util.spec_from_file_location("fake_tensorrt", HERE / "fake_tensorrt.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


fakes = _load_fakes()


@pytest.fixture(params=sorted(APIS))
def machine(request, monkeypatch):
    """A device with a stand-in for TensorRT of one version on it."""
    device = fakes.Device()
    tensorrt = fakes.make_tensorrt(device, APIS[request.param])
    cuda, bindings, runtime = types.ModuleType("cuda"), types.ModuleType("b"), device.module()
    bindings.runtime = runtime
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "cuda", cuda)
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", runtime)
    yield types.SimpleNamespace(device=device, tensorrt=tensorrt)
    for name in ("trt", "cuda_memory"):
        sys.modules.pop(f"scunext_edge.runtime.backends.{name}", None)
        vars(sys.modules["scunext_edge.runtime.backends"]).pop(name, None)


@pytest.fixture
def engine_file(tmp_path, machine, make_artifact):
    def make(content=None, *, precision="fp32", details=None, **built_for):
        here = {
            "gpu": "Fake Orin",
            "compute_capability": "8.7",
            "tensorrt": machine.tensorrt.__version__,
        }
        return make_artifact(
            tmp_path / "engine",
            content if isinstance(content, bytes) else json.dumps(content or PLAIN).encode(),
            name="model.engine",
            format="tensorrt",
            precision=precision,
            details=details or {},
            built_for={**here, **built_for},
        )

    return make


def open_trt(artifact, device="cuda"):
    return registry.open_runner(artifact, "tensorrt", device=device)


def images(count, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return {"image": pixels}


def expected(inputs):
    return inputs["image"].mean(axis=-1, dtype=np.float32)[:, None] - np.float32(127.5)


@pytest.mark.parametrize("version", sorted(APIS))
def test_the_stand_in_has_no_name_that_the_real_one_lacks(version):
    trt = fakes.make_tensorrt(fakes.Device(), APIS[version])
    for kind in ("Runtime", "ICudaEngine", "IExecutionContext", "ILogger", "EngineInspector"):
        public = {name for name in vars(getattr(trt, kind)) if not name.startswith("_")}
        assert public <= set(APIS[version][kind]["attrs"]), kind
    assert "execution_context" in APIS[version]["EngineInspector"]["attrs"]


def test_batches_of_several_sizes_are_computed_one_after_the_other(engine_file):
    runner = open_trt(engine_file())
    for count in (1, 3, 1):
        inputs = images(count, seed=count)
        np.testing.assert_array_equal(infer(runner, inputs)["logits"], expected(inputs))


def test_execute_returns_when_the_stream_is_idle(engine_file, machine):
    runner = open_trt(engine_file())
    runner.put(images(1))
    runner.execute()
    assert all(waiting == [] for waiting in machine.device.streams.values())


def test_close_gives_memory_and_stream_back(engine_file, machine):
    runner = open_trt(engine_file())
    infer(runner, images(2))
    infer(runner, images(3))
    assert len(machine.device.memory) == 2
    runner.close()
    runner.close()
    assert machine.device.memory == {}
    assert machine.device.streams == {}
    with pytest.raises(ValueError, match="closed"):
        runner.execute()


def test_a_batch_beyond_the_profile_is_refused_and_the_next_one_works(engine_file):
    runner = open_trt(engine_file())
    with pytest.raises(EngineError, match="batches of 5"):
        infer(runner, images(5))
    inputs = images(2)
    np.testing.assert_array_equal(infer(runner, inputs)["logits"], expected(inputs))


@pytest.mark.parametrize(
    ("key", "value"),
    [("gpu", "Fake Thor"), ("compute_capability", "11.0"), ("tensorrt", "10.7.0")],
)
def test_a_foreign_engine_is_refused_before_it_is_read(
    engine_file, machine, monkeypatch, key, value
):
    def must_not_be_called(self, serialized_engine):
        raise AssertionError("the engine was deserialised")

    monkeypatch.setattr(machine.tensorrt.Runtime, "deserialize_cuda_engine", must_not_be_called)
    with pytest.raises(BackendUnavailable, match=f"{key} {value}") as caught:
        open_trt(engine_file(**{key: value}))
    assert "export" in caught.value.hint
    assert machine.device.streams == {}, "the stream was left behind"


def test_an_engine_that_is_none_is_an_engine_error_with_the_reason(engine_file):
    with pytest.raises(EngineError, match="magic tag does not match"):
        open_trt(engine_file(b"{cut of"))


def test_an_altered_engine_is_refused_before_it_is_deserialised(engine_file, machine):
    whole = engine_file()
    (whole.directory / "model.engine").write_bytes(b"{cut of")
    with pytest.raises(ArtifactError, match="altered"):
        open_trt(whole)
    assert machine.device.streams == {}, "the stream was left behind"


def test_an_engine_with_another_output_is_not_what_its_card_says(engine_file):
    with pytest.raises(ArtifactError, match="score"):
        open_trt(engine_file({"max_batch": 1, "output": "score"}))


def test_a_run_that_fails_is_an_engine_error(engine_file):
    runner = open_trt(engine_file({"max_batch": 1, "fails": True}))
    with pytest.raises(EngineError, match="run"):
        infer(runner, images(1))


def test_a_cuda_error_is_named(engine_file, machine, monkeypatch):
    runner = open_trt(engine_file())
    out_of_memory = fakes.Error.cudaErrorMemoryAllocation
    cudart = sys.modules["cuda.bindings.runtime"]
    monkeypatch.setattr(cudart, "cudaMalloc", lambda size: (out_of_memory, None))
    with pytest.raises(EngineError, match="cudaErrorMemoryAllocation"):
        runner.put(images(1))


def test_the_cpu_is_refused_with_what_is_offered(engine_file):
    with pytest.raises(BackendUnavailable, match="'cpu'") as caught:
        open_trt(engine_file(), device="cpu")
    assert caught.value.hint == "it offers: cuda"


def test_a_machine_without_gpu_says_so(engine_file, machine):
    machine.device.count = 0
    with pytest.raises(BackendUnavailable) as caught:
        open_trt(engine_file())
    assert "no GPU" in caught.value.hint


def test_what_memory_needs_is_imported_with_the_backend(machine):
    """A memory row counts from after the imports."""
    registry.backend_module("tensorrt")
    assert "scunext_edge.runtime.backends.cuda_memory" in sys.modules


def test_missing_cuda_bindings_are_named(engine_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    monkeypatch.delitem(sys.modules, "cuda.bindings.runtime")
    with pytest.raises(BackendMissing, match="cuda-bindings"):
        open_trt(engine_file())


def layer(node, kind, weights):
    """As TensorRT's own layers are described."""
    format = f"Thirty-two wide channel vectorized row major {kind} format"
    return {
        "Name": f"{node} + node_relu",
        "LayerType": "CaskConvolution",
        "Inputs": [{"Name": "x", "Dimensions": [1, 3, 32, 32], "Format/Datatype": format}],
        "Outputs": [{"Name": "y", "Dimensions": [1, 8, 32, 32], "Format/Datatype": format}],
        "Weights": {"Type": weights, "Count": 216},
        "Metadata": f"[ONNX Layer: {node}]\x1e[ONNX Layer: node_relu]",
    }


MACS = {"macs": {"node_a": 300, "node_b": 700}}


@pytest.mark.parametrize(("kinds", "ran"), [(("Half", "Int8"), "int8"), (("Int8", "Half"), "fp16")])
def test_a_row_is_labelled_with_what_most_macs_ran_in(engine_file, kinds, ran):
    layers = [layer(node, it, it) for node, it in zip(MACS["macs"], kinds, strict=True)]
    artifact = engine_file({**PLAIN, "layers": layers}, precision="int8", details=MACS)
    job = {
        "kind": "latency", "artifact": str(artifact.directory), "backend": "tensorrt",
        "device": "cuda", "threads": 1, "batch": 2, "cpus": [], "seed": 0, "asks_precision": True,
        "plan": {"region": "compute", "warmup": 1, "values": 1},
    }  # fmt: skip
    assert worker.work(job)["precision_ran"] == ran


def test_what_ran_is_asked_of_one_image_and_changes_no_result(engine_file):
    layers = [layer(node, "FP16", "Half") for node in MACS["macs"]]  # hidden while N is open
    del layers[1]["Weights"]
    runner = open_trt(engine_file({**PLAIN, "layers": layers}, details=MACS))
    assert runner.census().shares == {"fp16": 1.0}  # before anything was put
    inputs = images(3)
    runner.put(inputs)
    assert runner.census().shares == {"fp16": 1.0}
    runner.execute()
    np.testing.assert_array_equal(runner.get()["logits"], expected(inputs))


def test_the_precision_is_not_guessed(engine_file):
    names_alone = {**PLAIN, "layers": ["node_a + node_relu", "node_b"]}
    assert open_trt(engine_file(names_alone, details=MACS)).census() is None


def test_an_engine_whose_card_counts_no_macs_does_not_say(engine_file):
    described = {**PLAIN, "layers": [layer("node_a", "Int8", "Int8")]}
    assert open_trt(engine_file(described)).census() is None
