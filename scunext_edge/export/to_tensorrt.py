"""What a TensorRT engine is built from, and the engine itself where TensorRT is installed.

An engine runs on the GPU and with the TensorRT that built it, so what ships is the typed ONNX and
its recipe. Networks are strongly typed: precision is what the file says. That is the one way that
TensorRT 10.3 to 11 have in common; the FP16 and INT8 builder flags and calibrators are gone in 11.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from scunext_edge.artifacts import Artifact, Card
from scunext_edge.errors import BackendUnavailable, ConfigError, EngineError, ExportError
from scunext_edge.export import parity
from scunext_edge.export.forwards import onnx_forward, runner_forward
from scunext_edge.export.imports import optional_imports
from scunext_edge.export.parity import Images
from scunext_edge.export.writing import MODEL, inherited, proofs, scratch, write

ENGINE = "model.engine"
RECIPE = "recipe.json"

_LEVEL = 5  # of 0 to 5: the longest search for the fastest kernels
_WORKSPACE_MIB = 1024
_MAX_BATCH = 8


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
        f"--maxShapes=image:{_MAX_BATCH}x{sides}",
        f"--builderOptimizationLevel={_LEVEL}",
        f"--memPoolSize=workspace:{_WORKSPACE_MIB}",
        "--profilingVerbosity=detailed",
    ]
    load = ["trtexec", f"--loadEngine={ENGINE}", f"--shapes=image:1x{sides}", "--duration=10"]
    return {
        "schema": 1,
        "precision": card.precision,
        "network": "strongly typed",
        "tf32": False,
        "builder_optimization_level": _LEVEL,
        "workspace_mib": _WORKSPACE_MIB,
        "batch": {"min": 1, "opt": 1, "max": _MAX_BATCH},
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

    Minutes. A failed build is an ``ExportError`` with TensorRT's own messages; nothing is tried
    in its place.
    """
    _require_typed(onnx_artifact)
    with optional_imports("building a TensorRT engine"):
        import tensorrt as trt
    built_for = {**_gpu(), "tensorrt": str(trt.__version__)}
    card = replace(
        onnx_artifact.card,
        format="tensorrt",
        parent=onnx_artifact.id,
        built_for=built_for,
    )
    size, precision = card.spec.size, card.precision
    model = onnx_artifact.file(".onnx").read_bytes()
    try:
        plan = build_plan(trt, model, size=size)
    except ExportError as error:
        raise ExportError(
            f"TensorRT builds no {precision} engine for {', '.join(built_for.values())}: {error}",
            hint="use fp16 there" if precision == "int8" else None,
        ) from error
    figures = _parity(onnx_artifact, card, plan, images)
    details = {**inherited(onnx_artifact), "parity": parity.check(figures, precision).to_json()}
    return write(out, replace(card, details=details), {ENGINE: plan, **proofs(onnx_artifact)})


def build_plan(trt: Any, model: bytes, *, size: int) -> bytes:
    """Parse and build with the module ``trt`` (tensorrt, or tensorrt_rtx, which needs no GPU)."""
    log = _logger(trt)
    try:
        builder = trt.Builder(log)
    except TypeError as error:  # its way of saying that CUDA does not start
        reason = "; ".join(log.problems) or str(error)
        raise BackendUnavailable(f"TensorRT does not start here: {reason}") from error
    # The flag's bit differs between the majors
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        found = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise ExportError(f"the parser refuses the model: {'; '.join(found)}")
    plan = builder.build_serialized_network(network, _config(trt, builder, size))
    if plan is None:
        raise ExportError("; ".join(log.problems) or "the build failed and gave no reason")
    return bytes(plan)


def _config(trt: Any, builder: Any, size: int) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_MIB << 20)
    config.builder_optimization_level = _LEVEL
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.clear_flag(trt.BuilderFlag.TF32)  # set by default: FP32 would not be FP32
    profile = builder.create_optimization_profile()
    one, many = (1, size, size, 3), (_MAX_BATCH, size, size, 3)
    profile.set_shape("image", one, one, many)
    config.add_optimization_profile(profile)
    return config


def _logger(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc]  # the class is untyped
        """Keeps errors for our own messages and drops the rest."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.problems: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.problems.append(message.strip())

    return Log()


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


def _parity(parent: Artifact, card: Card, plan: bytes, images: Images | None) -> parity.Parity:
    """Of the engine against its ONNX, run as its users run it."""
    model = parent.file(".onnx").read_bytes()
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


def _gpu() -> dict[str, str]:
    """What the runtime compares before it loads an engine: name and compute capability."""
    with optional_imports("building a TensorRT engine"):
        from scunext_edge.runtime.backends.cuda_memory import Gpu
    gpu = Gpu()
    try:
        return gpu.describe()
    finally:
        gpu.close()
