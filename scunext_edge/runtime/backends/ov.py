"""OpenVINO, on the device that is named: its choosing devices (AUTO, HETERO) are refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import openvino as ov

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import BackendUnavailable, EngineError
from scunext_edge.runtime.layers import Kernel, from_runs
from scunext_edge.runtime.precision import (
    Census,
    Work,
    conv_macs,
    matmul_macs,
    transposed_conv_macs,
)
from scunext_edge.runtime.runner import closed, nothing_to
from scunext_edge.spec import Array, Arrays, ModelSpec

# Left alone the engine takes bf16 or f16 where the processor has it, whatever the file holds.
# The float part of an int8 model is f32, so that rows differ by their quantization alone.
_HINTS = {"fp32": "f32", "int8": "f32", "fp16": "f16", "bf16": "bf16"}
_CONVERSIONS = {"Convert", "Reorder", "FakeQuantize"}
_NAMES = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8"}


def offers() -> tuple[str, tuple[str, ...]]:
    """The engine's version and the devices it finds, in lower case."""
    return _version(), tuple(name.lower() for name in ov.Core().available_devices)


def open_runner(artifact: Artifact, *, device: str, threads: int) -> OvRunner:
    """Load an OpenVINO IR or an ONNX artifact and compile it for one image at a time."""
    return _open(artifact, device, threads, {})


def open_profiled(artifact: Artifact, *, device: str, threads: int) -> OvProfiled:
    """The same with the engine's counters on."""
    return OvProfiled(_open(artifact, device, threads, {"PERF_COUNT": True}))


def _open(artifact: Artifact, device: str, threads: int, more: dict[str, Any]) -> OvRunner:
    with _engine_errors():
        core = ov.Core()
        devices = core.available_devices
    if device.upper() not in devices:
        raise BackendUnavailable(
            f"openvino {_version()} cannot run on {device!r} here",
            hint=f"it offers: {', '.join(name.lower() for name in devices)}",
        )
    properties = _properties(core, artifact, device.upper(), threads) | more
    file = artifact.file(".xml" if artifact.card.format == "openvino" else ".onnx")
    with _engine_errors():
        model = core.read_model(file)
    return OvRunner(artifact.spec, core, model, device.upper(), properties)


class OvRunner:
    """One compiled model per batch size: a model compiled for any size is up to 1.7x slower."""

    def __init__(
        self, spec: ModelSpec, core: Any, model: Any, device: str, properties: dict[str, Any]
    ) -> None:
        self.spec = spec
        self._core = core
        self._model = model
        self._device = device
        self._properties = properties
        self._requests: dict[int, Any] = {}
        self._request: Any = None
        self._executed = False
        self._request_for(1)

    def put(self, inputs: Arrays) -> None:
        if self._model is None:
            raise closed()
        (image,) = (inputs[tensor.name] for tensor in self.spec.inputs)
        self._request = self._request_for(len(image))
        self._executed = False
        with _engine_errors():
            self._request.get_input_tensor(0).data[:] = image

    def execute(self) -> None:
        if self._model is None:
            raise closed()
        if self._request is None:
            raise nothing_to("execute", "put")
        with _engine_errors():
            self._request.infer()
        self._executed = True

    def get(self) -> dict[str, Array]:
        if self._model is None:
            raise closed()
        if not self._executed:
            raise nothing_to("get", "execute")
        (output,) = self.spec.outputs
        with _engine_errors():
            return {output.name: np.array(self._request.get_output_tensor(0).data)}

    def census(self) -> Census:
        if self._model is None:
            raise closed()
        with _engine_errors():
            compiled = self._request_for(1).get_compiled_model()
            operations = compiled.get_runtime_model().get_ordered_ops()
            return Census(
                work=tuple(work for it in operations if (work := _work(it))),
                conversions=sum(_kind(it) in _CONVERSIONS for it in operations),
            )

    def counters(self) -> list[tuple[str, str, int]]:
        """Name, type and nanoseconds of every operation of the last run; with counters on."""
        with _engine_errors():
            return [
                (it.node_name, it.node_type, round(1e9 * it.real_time.total_seconds()))
                for it in self._request.get_profiling_info()
                if it.status == ov.ProfilingInfo.Status.EXECUTED
            ]

    def described(self) -> dict[str, dict[str, Any]]:
        """By operation, which nodes of the file it stands for, and what it multiplies."""
        with _engine_errors():
            compiled = self._request_for(1).get_compiled_model()
            return {
                it.get_friendly_name(): _described(it)
                for it in compiled.get_runtime_model().get_ordered_ops()
            }

    def close(self) -> None:
        self._model, self._core, self._request, self._executed = None, None, None, False
        self._requests.clear()

    def _request_for(self, images: int) -> Any:
        if images not in self._requests:
            (image,) = self.spec.inputs
            with _engine_errors():
                model = self._model.clone()
                model.reshape([images, *image.shape[1:]])
                compiled = self._core.compile_model(model, self._device, self._properties)
                self._requests[images] = compiled.create_infer_request()
        return self._requests[images]


class OvProfiled:
    """A runner whose counters are read after every run."""

    def __init__(self, runner: OvRunner) -> None:
        self._runner = runner
        self._runs: list[list[tuple[str, str, int]]] = []

    def put(self, inputs: Arrays) -> None:
        self._runner.put(inputs)

    def execute(self) -> None:
        self._runner.execute()
        self._runs.append(self._runner.counters())

    def kernels(self) -> tuple[Kernel, ...]:
        return from_runs(self._runs, self._runner.described())

    def close(self) -> None:
        self._runner.close()


def _properties(core: Any, artifact: Artifact, device: str, threads: int) -> dict[str, Any]:
    precision = artifact.card.precision
    with _engine_errors():
        capabilities = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    # Without INT8 among them, integer models still run, and the census says in what.
    if precision in {"fp16", "bf16"} and precision.upper() not in capabilities:
        raise BackendUnavailable(
            f"openvino computes no {precision} on this {device}",
            hint=f"it offers: {', '.join(p for p in _HINTS if p.upper() in capabilities)}",
        )
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
    }
    if device == "CPU":
        properties["INFERENCE_NUM_THREADS"] = threads
    return properties


def _kind(operation: Any) -> str:
    return str(operation.get_rt_info()["layerType"].astype(str))


def _described(operation: Any) -> dict[str, Any]:
    names = operation.get_rt_info()["originalLayersNames"].astype(str)
    parts = tuple(it for it in names.split(",") if it)
    work = _work(operation)
    return {"parts": parts} | ({"precision": work.precision, "macs": work.macs} if work else {})


def _work(operation: Any) -> Work | None:
    """An operation that ran, or None for one that multiplies no matrices."""
    kind = _kind(operation)
    if kind not in {"Convolution", "Deconvolution", "FullyConnected", "MatMul"}:
        return None
    ran = operation.get_rt_info()["runtimePrecision"].astype(str)
    data, weights = (list(it.get_shape()) for it in operation.inputs()[:2])
    output = list(operation.outputs()[0].get_shape())
    if kind == "Convolution":
        macs = conv_macs(weights, output)
    elif kind == "Deconvolution":
        macs = transposed_conv_macs(weights, data)
    else:
        macs = matmul_macs(data, output)
    return Work(name=operation.get_friendly_name(), precision=_NAMES.get(ran, ran), macs=macs)


def _version() -> str:
    return str(ov.__version__).split("-")[0]


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Let callers catch our error, and let debuggers see theirs."""
    try:
        yield
    except Exception as error:
        raise EngineError(f"openvino: {error}") from error
