"""A TensorRT engine from the bundled ONNX, on the device that it is for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scunext_edge.artifacts import Artifact, load, new_artifact
from scunext_edge.errors import missing_extra
from scunext_edge.export.trt_builder import FLAGS, build_plan, timing_cache
from scunext_edge.runtime.gpu_memory import gpu_package

ENGINE = "model.engine"


def build(source: Artifact, out: Path) -> Artifact:
    """Write the engine as an artifact, built for this GPU; whether it is right, the selftest says.

    Minutes; less where an earlier build left its timings. ``ExportError`` where it does not build.
    """
    try:
        import tensorrt as trt
    except ImportError as error:
        raise missing_extra("tensorrt", "tensorrt", needed_for="building an engine") from error
    gpu = gpu_package().Gpu()
    try:
        built_for, driver = {**gpu.describe(), "tensorrt": str(trt.__version__)}, gpu.driver()
    finally:
        gpu.close()
    model = source.file(".onnx").read_bytes()
    plan = build_plan(trt, model, size=source.spec.size, cache=timing_cache(built_for, model))
    card = replace(
        source.card,
        format="tensorrt",
        parent=source.id,
        built_for=built_for,
        details={**source.card.details, "build": {**FLAGS, "driver": driver}},
    )
    with new_artifact(out, card) as folder:
        (folder / ENGINE).write_bytes(plan)
    return load(out)
