"""An engine from a bundled ONNX: what is built, and for which device; driven with stand-ins."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from scunext_edge.deploy import engine
from scunext_edge.errors import BackendMissing
from scunext_edge.weights.shipped import shipped


class Gpu:
    """A GPU that only tells what it is."""

    def describe(self):
        return {"gpu": "Orin", "compute_capability": "8.7"}

    def driver(self):
        return "540.4"

    def close(self):
        pass


def test_the_engine_is_an_artifact_built_for_this_gpu(tmp_path, monkeypatch):
    built = {}

    def build_plan(trt, model, *, size, cache):
        built.update(model=model, size=size)
        return b"engine"

    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="10.3.0"))
    monkeypatch.setattr(engine, "gpu_package", lambda: SimpleNamespace(Gpu=Gpu))
    monkeypatch.setattr(engine, "build_plan", build_plan)
    source = shipped("scunext", "onnx-fp32")
    made = engine.build(source, tmp_path / "out")
    assert (made.card.format, made.card.parent) == ("tensorrt", source.id)
    assert made.card.built_for == {"gpu": "Orin", "compute_capability": "8.7", "tensorrt": "10.3.0"}
    assert made.file(".engine").read_bytes() == b"engine"
    assert built == {"model": source.file(".onnx").read_bytes(), "size": 256}


def test_without_tensorrt_the_form_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendMissing, match="tensorrt"):
        engine.build(shipped("scunext", "onnx-fp32"), tmp_path / "out")
