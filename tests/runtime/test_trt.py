"""The TensorRT backend against a stand-in that has the names of two real versions, no more."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.errors import ArtifactError, BackendMissing, BackendUnavailable, EngineError
from scunext_edge.runtime import registry
from scunext_edge.runtime.runner import infer

HERE = Path(__file__).parent
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
    monkeypatch.setitem(sys.modules, "cuda", cuda)
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", runtime)
    yield types.SimpleNamespace(device=device, tensorrt=tensorrt)
    for name in ("trt", "cuda_memory"):
        sys.modules.pop(f"scunext_edge.runtime.backends.{name}", None)
        vars(sys.modules["scunext_edge.runtime.backends"]).pop(name, None)


@pytest.fixture
def engine_file(tmp_path, machine, make_artifact):
    def make(content=None, **built_for):
        here = {
            "gpu": "Fake Orin",
            "compute_capability": "8.7",
            "tensorrt": machine.tensorrt.__version__,
        }
        return make_artifact(
            tmp_path / "engine",
            json.dumps(content or {"max_batch": 4}).encode(),
            name="model.engine",
            format="tensorrt",
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
    for kind in ("Runtime", "ICudaEngine", "IExecutionContext", "ILogger"):
        public = {name for name in vars(getattr(trt, kind)) if not name.startswith("_")}
        assert public <= set(APIS[version][kind]["attrs"]), kind


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


def test_a_damaged_engine_is_an_engine_error_with_the_reason(engine_file):
    whole = engine_file()
    (whole.directory / "model.engine").write_bytes(b"{cut of")
    with pytest.raises(EngineError, match="magic tag does not match"):
        open_trt(whole)


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


def test_missing_cuda_bindings_are_named(engine_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    monkeypatch.delitem(sys.modules, "cuda.bindings.runtime")
    with pytest.raises(BackendMissing, match="cuda-bindings"):
        open_trt(engine_file())


def test_the_precision_is_not_guessed(engine_file):
    assert open_trt(engine_file()).census() is None
