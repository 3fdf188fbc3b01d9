"""What a TensorRT engine is built from, and the engine itself where TensorRT is installed.

An engine runs on the GPU and with the TensorRT that built it, so what ships is the typed ONNX and
its recipe. Networks are strongly typed: precision is what the file says. That is the one way that
TensorRT 10.3 to 11 have in common; the FP16 and INT8 builder flags and calibrators are gone in 11.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scunext_edge.artifacts import Artifact, Card
from scunext_edge.errors import ConfigError, EngineError, ExportError
from scunext_edge.export import graph, parity
from scunext_edge.export.forwards import onnx_forward, runner_forward
from scunext_edge.export.imports import optional_imports
from scunext_edge.export.macs import macs_by_layer
from scunext_edge.export.mixed import without_quantization
from scunext_edge.export.parity import Images
from scunext_edge.export.trt_builder import (
    FLAGS,
    LEVEL,
    MAX_BATCH,
    WORKSPACE_MIB,
    build_plan,
    timing_cache,
)
from scunext_edge.export.writing import MODEL, inherited, proofs, scratch, write
from scunext_edge.runtime.gpu_memory import gpu_package
from scunext_edge.spec import Precision

ENGINE = "model.engine"
RECIPE = "recipe.json"


def to_tensorrt(onnx_artifact: Artifact, out: Path) -> Artifact:
    """The typed ONNX file together with ``recipe.json``, to build on the device it is for."""
    _require_typed(onnx_artifact)
    card = replace(
        onnx_artifact.card, parent=onnx_artifact.id, details=dict(onnx_artifact.card.details)
    )
    text = json.dumps(recipe(card), indent=1) + "\n"
    model = onnx_artifact.file(".onnx").read_bytes()
    files = {MODEL: model, RECIPE: text.encode(), **proofs(onnx_artifact)}
    return write(out, card, files)


def recipe(card: Card) -> dict[str, Any]:
    """How to build and time the engine, by our own builder and by trtexec of either major.

    trtexec 10 and 11 have opposite defaults: both lists measure the same thing, ``compute``
    without copies and ``transfer`` with them.
    """
    sides = f"{card.spec.size}x{card.spec.size}x3"
    build = [
        *("trtexec", f"--onnx={MODEL}", f"--saveEngine={ENGINE}", "--skipInference", "--noTF32"),
        f"--minShapes=image:1x{sides}",
        f"--optShapes=image:1x{sides}",
        f"--maxShapes=image:{MAX_BATCH}x{sides}",
        f"--builderOptimizationLevel={LEVEL}",
        f"--memPoolSize=workspace:{WORKSPACE_MIB}",
        "--profilingVerbosity=detailed",
    ]
    load = ["trtexec", f"--loadEngine={ENGINE}", f"--shapes=image:1x{sides}", "--duration=10"]
    return {
        "schema": 1,
        "precision": card.precision,
        "network": "strongly typed",
        "tf32": False,
        "builder_optimization_level": LEVEL,
        "workspace_mib": WORKSPACE_MIB,
        "batch": {"min": 1, "opt": 1, "max": MAX_BATCH},
        "command": "scunext-edge export ARTIFACT --to tensorrt, on the device itself",
        "trtexec": {
            "10": {
                "build": [*build, "--stronglyTyped"],
                "compute": [*load, "--useCudaGraph", "--useSpinWait", "--noDataTransfers"],
                "transfer": [*load, "--useCudaGraph", "--useSpinWait"],
            },
            "11": {
                "build": build,
                "compute": load,
                "transfer": [*load, "--includeDataTransfers"],
            },
        },
    }


def build_engine(onnx_artifact: Artifact, out: Path, *, images: Images | None = None) -> Artifact:
    """Build for the GPU of this machine, with the TensorRT that is installed here.

    Minutes, less with the timing cache of an earlier build of the same file. An INT8 file that
    does not build here (known of Orin) becomes an FP16 engine, and its card says so and why. Any
    other failed build is an ``ExportError`` with TensorRT's own messages.
    """
    _require_typed(onnx_artifact)
    with optional_imports("building a TensorRT engine"):
        import tensorrt as trt
    built_for, driver = _gpu()
    built_for["tensorrt"] = str(trt.__version__)
    model = onnx_artifact.file(".onnx").read_bytes()
    made = _built(trt, onnx_artifact.card, model, built_for)
    card = replace(
        onnx_artifact.card,
        format="tensorrt",
        precision=made.precision,
        quantizer=onnx_artifact.card.quantizer if made.precision == "int8" else None,
        parent=onnx_artifact.id,
        built_for=built_for,
    )
    figures = _parity(onnx_artifact, made.model, card, made.plan, images)
    details = {
        **inherited(onnx_artifact),
        "parity": parity.check(figures, made.precision).to_json(),
        "build": {**FLAGS, "driver": driver},
        "macs": macs_by_layer(made.model),  # the engine names the layers, and not their size
    }
    if made.fell_back is not None:
        details["fell_back"] = {"from": onnx_artifact.card.precision, "reason": made.fell_back}
    return write(out, replace(card, details=details), {ENGINE: made.plan, **proofs(onnx_artifact)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    plan: bytes
    model: bytes  # what it was built from
    precision: Precision
    fell_back: str | None = None  # why not in the precision that was asked for


def _built(trt: Any, card: Card, model: bytes, built_for: Mapping[str, str]) -> _Built:
    size, where = card.spec.size, ", ".join(built_for.values())
    try:
        plan = build_plan(trt, model, size=size, cache=timing_cache(built_for, model))
        return _Built(plan=plan, model=model, precision=card.precision)
    except ExportError as error:
        reason = f"TensorRT builds no {card.precision} engine for {where}: {error}"
        if card.precision != "int8":
            raise ExportError(reason) from error
    half = without_quantization(model)
    try:
        plan = build_plan(trt, half, size=size, cache=timing_cache(built_for, half))
    except ExportError as error:
        raise ExportError(f"{reason}; and none in fp16: {error}") from error
    return _Built(plan=plan, model=half, precision="fp16", fell_back=reason)


def _require_typed(artifact: Artifact) -> None:
    card = artifact.card
    if card.format != "onnx":
        raise ConfigError(
            f"TensorRT builds from ONNX, and {artifact.directory} is {card.format}",
            hint="scunext-edge export CHECKPOINT --to tensorrt -p fp16",
        )
    if card.precision == "int8" and card.details.get("for_engine") != "tensorrt":
        raise ConfigError(
            f"{artifact.directory} leaves all but the int8 layers in fp32",
            hint="scunext-edge export CHECKPOINT --to tensorrt -p int8",
        )
    if card.precision == "int8":  # a file from elsewhere is refused here, before any engine sees it
        with optional_imports("building a TensorRT engine"):
            import onnx
        graph.check_quantized(onnx.load(artifact.file(".onnx")))


def _parity(
    parent: Artifact, model: bytes, card: Card, plan: bytes, images: Images | None
) -> parity.Parity:
    """Of the engine against the ONNX that it was built from, run as its users run it."""
    with scratch() as folder:
        candidate = write(folder / "engine", card, {ENGINE: plan})
        try:
            with runner_forward(candidate, "tensorrt", device="cuda") as forward:
                return parity.compare(
                    onnx_forward(model, as_written=True),
                    forward,
                    parity.default_images(card.spec.size) if images is None else images,
                    of=(f"onnx {parent.id}", f"tensorrt {card.precision}"),
                )
        except EngineError as error:
            raise ExportError(f"the engine was built, but does not run: {error}") from error


def _gpu() -> tuple[dict[str, str], str]:
    """What the runtime compares before it loads an engine: name and compute capability; driver."""
    gpu = gpu_package().Gpu()
    try:
        return gpu.describe(), gpu.driver()
    finally:
        gpu.close()
