"""What ships to the device starts without an engine, and never brings torch along."""

from __future__ import annotations

import subprocess
import sys

import pytest

ENGINES = {"torch", "onnxruntime", "openvino", "tensorrt", "onnx", "cuda", "safetensors"}


@pytest.mark.parametrize(
    "module",
    [
        "scunext_edge.runtime.registry",
        "scunext_edge.runtime.runner",
        "scunext_edge.runtime.predictor",
        "scunext_edge.runtime.predict_files",
        "scunext_edge.runtime.backends.fake",
    ],
)
def test_the_module_loads_no_engine(module):
    assert not ENGINES & loaded_by(f"import {module}")


@pytest.mark.parametrize(("backend", "engine"), [("ort", "onnxruntime"), ("ov", "openvino")])
def test_a_backend_loads_its_own_engine_and_no_other(backend, engine):
    pytest.importorskip(engine)
    loaded = loaded_by(f"import scunext_edge.runtime.backends.{backend}")
    assert loaded & ENGINES == {engine}


def loaded_by(statement):
    script = f"import sys; {statement}; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in ended.stdout.split()}
