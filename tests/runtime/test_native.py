"""What is special to the native engine: instruction sets as devices, scores as logits."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.errors import ArtifactError, BackendMissing, BackendUnavailable, EngineError
from scunext_edge.kernels import native, reference
from scunext_edge.kernels.plan import read_plan
from scunext_edge.runtime.backends import native as backend
from scunext_edge.runtime.registry import open_runner
from scunext_edge.runtime.runner import infer


@pytest.fixture
def quantized(tmp_path, make_artifact, tiny_scx, native_library):
    content = tiny_scx(quantized=True)
    return make_artifact(
        tmp_path / "model", content, name="m.scx", format="native", precision="int8"
    )


def test_the_cpu_and_each_of_its_instruction_sets_is_a_device(native_library):
    version, devices = backend.offers()
    assert version == native.version()
    assert devices[0] == "cpu"
    assert devices[1:] == tuple(f"cpu-{isa}" for isa in native.instruction_sets())
    assert "cpu-scalar" in devices


def test_every_instruction_set_gives_the_same_score(quantized, image):
    _, devices = backend.offers()
    results = [infer(open_runner(quantized, "native", device=it), image) for it in devices]
    for result in results[1:]:
        np.testing.assert_array_equal(result["logits"], results[0]["logits"])


def test_a_forced_instruction_set_is_the_one_that_is_used(quantized):
    for isa in native.instruction_sets():
        runner = backend.open_runner(quantized, device=f"cpu-{isa}", threads=1)
        assert runner._open().description.isa == isa


def test_the_logits_of_a_score_lie_within_half_a_step_and_cut_the_same_pixels(quantized, image):
    exact = backend.open_runner(quantized, device="cpu", threads=2, output="logits")
    logits = infer(exact, image)["logits"]
    found = infer(open_runner(quantized, "native", threads=2), image)["logits"]
    assert 0 < (logits >= 0).mean() < 1
    np.testing.assert_array_equal(found > 0, logits >= 0)
    inside = abs(logits) < 7.9  # a score ends at +-8
    assert inside.any()
    assert abs(found - logits)[inside].max() <= 1 / 32
    plan = read_plan(quantized.file(".scx").read_bytes())
    np.testing.assert_array_equal(logits, reference.run(plan, image["image"]))


def test_an_int8_plan_ran_in_int8(quantized):
    assert open_runner(quantized, "native").census().dominant == "int8"


def test_another_size_than_the_exported_one(tmp_path, make_artifact, tiny_scx, native_library):
    """The card decides: the file only says what it was exported for."""
    content = tiny_scx(size=64)
    artifact = make_artifact(tmp_path / "model", content, name="m.scx", format="native")
    logits = infer(open_runner(artifact, "native"), {"image": np.zeros((1, 32, 32, 3), np.uint8)})
    assert logits["logits"].shape == (1, 1, 32, 32)


def test_what_the_engine_refuses_is_an_error_with_its_words(
    tmp_path, make_artifact, native_library
):
    artifact = make_artifact(tmp_path / "model", b"no plan", name="m.scx", format="native")
    with pytest.raises(EngineError, match="native: ") as caught:
        open_runner(artifact, "native")
    assert isinstance(caught.value.__cause__, native.ScxError)
    assert str(caught.value.__cause__)


def test_too_many_threads_are_refused(quantized):
    with pytest.raises(EngineError, match="thread"):
        open_runner(quantized, "native", threads=1000)


def test_without_the_library_the_backend_is_missing(tmp_path, make_artifact, monkeypatch):
    monkeypatch.setattr(native.package, "__path__", [str(tmp_path)])
    with pytest.raises(BackendMissing, match="not built") as caught:
        native.find_library()
    assert "pip install" in caught.value.hint


def test_a_library_that_does_not_load_is_unavailable(tmp_path):
    broken = tmp_path / "libscunext.so"
    broken.write_bytes(b"no library")
    with pytest.raises(BackendUnavailable, match="does not load"):
        native.version(broken)


def test_an_artifact_without_its_file_is_named(tmp_path, make_artifact, native_library):
    artifact = make_artifact(tmp_path / "model", b"", name="m.onnx", format="native")
    with pytest.raises(ArtifactError, match=r"0 \.scx files"):
        open_runner(artifact, "native")
