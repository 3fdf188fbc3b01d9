"""Names to backends: what is a typo, what is missing, what is broken."""

from __future__ import annotations

import sys

import pytest

from scunext_edge import isolate
from scunext_edge.errors import BackendMissing, BackendUnavailable, ConfigError, EngineError
from scunext_edge.runtime import registry
from scunext_edge.runtime.registry import BACKENDS, formats, open_runner, status, statuses

NAMES = ("torch", "onnxruntime", "openvino", "tensorrt", "native", "fake")


@pytest.fixture
def artifact(tmp_path, make_artifact):
    return make_artifact(tmp_path / "model", b"not read")


def test_the_backends_are_these():
    assert set(BACKENDS) == set(NAMES)


def test_a_typo_is_answered_with_the_nearest_name_and_not_corrected(artifact):
    with pytest.raises(ConfigError, match="'onnxruntim'") as caught:
        open_runner(artifact, "onnxruntim")
    assert "did you mean 'onnxruntime'?" in caught.value.hint
    assert all(name in caught.value.hint for name in NAMES)


@pytest.mark.parametrize("ask", [formats, status])
def test_a_name_like_no_other_is_answered_with_all_names(ask):
    with pytest.raises(ConfigError) as caught:
        ask("zzz")
    assert "did you mean" not in caught.value.hint
    assert all(name in caught.value.hint for name in NAMES)


def test_an_artifact_in_a_form_the_engine_does_not_take_is_refused(artifact):
    with pytest.raises(ConfigError, match="torch loads safetensors") as caught:
        open_runner(artifact, "torch")
    assert caught.value.hint == "give the checkpoint that it was exported from"


def test_a_file_made_for_one_engine_is_refused_by_another(tmp_path, make_artifact):
    artifact = make_artifact(tmp_path / "trt", b"", details={"for_engine": "tensorrt"})
    with pytest.raises(ConfigError, match="made for tensorrt"):
        open_runner(artifact, "onnxruntime")


def test_a_file_made_for_any_engine_is_taken(tmp_path, make_artifact):
    artifact = make_artifact(tmp_path / "any", b"", details={"for_engine": "any"})
    open_runner(artifact, "fake").close()
    with pytest.raises((BackendMissing, EngineError)):  # an empty file: it came to be opened
        open_runner(artifact, "onnxruntime")


@pytest.fixture
def broken_import(monkeypatch):
    """Let the import of every backend raise what the test says."""

    def with_error(error):
        def fail(name):
            raise error

        monkeypatch.setattr(registry, "import_module", fail)

    return with_error


def test_an_engine_that_is_not_installed_is_missing(artifact, broken_import):
    broken_import(ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime"))
    with pytest.raises(BackendMissing, match="'onnxruntime', which is not installed") as caught:
        open_runner(artifact, "onnxruntime")
    assert caught.value.hint == "pip install 'scunext-edge[onnxruntime]'"


def test_an_engine_whose_libraries_do_not_load_is_unavailable(artifact, broken_import):
    broken_import(ImportError("libnvinfer.so.10: cannot open shared object file"))
    with pytest.raises(BackendUnavailable, match=r"does not load: libnvinfer\.so\.10"):
        open_runner(artifact, "onnxruntime")


def test_an_engine_that_fails_on_import_is_an_engine_error(artifact, broken_import):
    broken_import(RuntimeError("no such instruction"))
    with pytest.raises(EngineError, match="no such instruction"):
        open_runner(artifact, "onnxruntime")


def test_a_missing_dependency_of_an_engine_is_not_taken_for_the_engine(artifact, broken_import):
    broken_import(ModuleNotFoundError("No module named 'flatbuffers'", name="flatbuffers"))
    with pytest.raises(BackendUnavailable, match="flatbuffers"):
        open_runner(artifact, "onnxruntime")


def test_a_module_of_ours_that_is_missing_is_a_bug_and_looks_like_one(artifact, broken_import):
    broken_import(ModuleNotFoundError("No module named 'scunext_edge.x'", name="scunext_edge.x"))
    with pytest.raises(ModuleNotFoundError):
        open_runner(artifact, "onnxruntime")


def test_the_status_of_the_fake_is_its_version_and_the_cpu():
    found = status("fake")
    assert (found.available, found.devices, found.reason) == (True, ("cpu",), None)
    assert found.version


def test_the_status_of_an_absent_engine_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    found = status("openvino")
    assert not found.available
    assert "not installed" in found.reason
    assert found.hint == "pip install 'scunext-edge[openvino]'"


def test_an_engine_that_crashes_the_process_is_only_reported(monkeypatch, tmp_path):
    """The probe is given an engine whose import kills the process that tries it."""
    (tmp_path / "openvino.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(registry, "find_spec", lambda name: object())
    found = status("openvino")
    assert not found.available
    assert "SIGKILL" in found.reason


def test_an_engine_without_a_device_is_not_available(monkeypatch):
    answer = {"version": "10.3.0", "devices": []}
    monkeypatch.setattr(isolate, "call", lambda module, job, timeout_s: answer)
    monkeypatch.setattr(registry, "find_spec", lambda name: object())
    found = status("tensorrt")
    assert (found.available, found.version) == (False, "10.3.0")
    assert "no device" in found.reason


def test_several_are_asked_and_answered_in_order(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    found = statuses(["torch", "fake", "openvino"])
    assert [it.name for it in found] == ["torch", "fake", "openvino"]
    assert [it.available for it in found] == [False, True, False]


def test_asking_for_a_status_imports_no_engine_here(monkeypatch):
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    status("openvino")
    assert "openvino" not in sys.modules
