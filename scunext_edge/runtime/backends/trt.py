"""A TensorRT engine, 10.3 to 11.4, on the GPU that it was built for.

Only names that exist in all these versions are used; a test compares them with lists of the
names. Not run on a device yet: the tests drive it with a stand-in for the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import tensorrt as trt

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import (
    ArtifactError,
    BackendMissing,
    BackendUnavailable,
    EngineError,
    ScunextEdgeError,
)
from scunext_edge.runtime.built_for import engine_bytes
from scunext_edge.runtime.gpu_memory import GpuMemory, gpu_package
from scunext_edge.runtime.precision import Census
from scunext_edge.runtime.runner import closed, nothing_to
from scunext_edge.runtime.trt_layers import read_layers
from scunext_edge.spec import Array, Arrays, ModelSpec

# Imported now and not when a model is opened: a row's memory is counted over the imports.
with suppress(BackendMissing):
    gpu_package()


def offers() -> tuple[str, tuple[str, ...]]:
    """The engine's version, and the GPU if there is one."""
    return str(trt.__version__), ("cuda",) if gpu_package().count_gpus() else ()


def open_runner(artifact: Artifact, *, device: str, threads: int) -> TrtRunner:
    """Load an engine file. ``threads`` has no meaning on a GPU and is not used."""
    version, devices = offers()
    if device not in devices:
        raise BackendUnavailable(
            f"tensorrt {version} cannot run on {device!r} here",
            hint=f"it offers: {', '.join(devices) or 'nothing, since there is no GPU'}",
        )
    gpu = gpu_package().Gpu()
    try:
        plan = engine_bytes(artifact, {**gpu.describe(), "tensorrt": version})
        return TrtRunner(artifact, plan, gpu)
    except BaseException:
        gpu.close()
        raise


class TrtRunner:
    """One execution context, with device memory for the batch size that was put last."""

    def __init__(self, artifact: Artifact, plan: bytes, gpu: GpuMemory) -> None:
        self.spec = artifact.spec
        self._gpu: GpuMemory | None = gpu
        self._macs = dict(artifact.card.details.get("macs", {}))
        self._log = _Log()
        self._runtime = trt.Runtime(self._log)
        with _engine_errors():
            self._engine = self._log.expect(self._runtime.deserialize_cuda_engine(plan), "load")
            self._context = self._log.expect(self._engine.create_execution_context(), "prepare")
        _check_contract(self._engine, artifact)
        self._addresses: dict[str, int] = {}
        self._images = 0
        self._executed = False

    def put(self, inputs: Arrays) -> None:
        gpu = self._open()
        (tensor,) = self.spec.inputs
        pixels = np.ascontiguousarray(inputs[tensor.name])
        with _engine_errors():
            if len(pixels) != self._images:
                self._make_room(gpu, len(pixels))
            gpu.upload(pixels, self._addresses[tensor.name])
        self._executed = False

    def execute(self) -> None:
        gpu = self._open()
        if not self._images:
            raise nothing_to("execute", "put")
        with _engine_errors():
            self._log.expect(self._context.execute_async_v3(gpu.stream), "run")
            gpu.synchronize()  # the call above only queues the work
        self._executed = True

    def get(self) -> dict[str, Array]:
        gpu = self._open()
        if not self._executed:
            raise nothing_to("get", "execute")
        (tensor,) = self.spec.outputs
        logits = np.empty(_shape(tensor.shape, self._images), tensor.dtype)
        gpu.download(self._addresses[tensor.name], logits)
        return {tensor.name: logits}

    def census(self) -> Census | None:
        self._open()
        with _engine_errors():
            return read_layers(self._inspect(), self._macs)

    def close(self) -> None:
        if self._gpu is None:
            return
        gpu, self._gpu = self._gpu, None
        # In this order: a context uses its engine, an engine its runtime, all of them memory.
        self._context = self._engine = self._runtime = None
        gpu.close()

    def _inspect(self) -> str:
        """The inspector's JSON, of one image: it tells no format while the batch size is open."""
        (image,) = self.spec.inputs
        self._context.set_input_shape(image.name, _shape(image.shape, 1))
        inspector = self._log.expect(self._engine.create_engine_inspector(), "inspect")
        inspector.execution_context = self._context
        text = str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
        if self._images:
            self._context.set_input_shape(image.name, _shape(image.shape, self._images))
        return text

    def _open(self) -> GpuMemory:
        if self._gpu is None:
            raise closed()
        return self._gpu

    def _make_room(self, gpu: GpuMemory, images: int) -> None:
        (image,) = self.spec.inputs
        self._images = 0
        if not self._context.set_input_shape(image.name, _shape(image.shape, images)):
            raise EngineError(
                f"tensorrt: the engine was not built for batches of {images}",
                hint="build it again with a profile that includes this size",
            )
        for name in tuple(self._addresses):
            gpu.free(self._addresses.pop(name))
        for tensor in (*self.spec.inputs, *self.spec.outputs):
            size_bytes = np.dtype(tensor.dtype).itemsize * np.prod(_shape(tensor.shape, images))
            self._addresses[tensor.name] = gpu.allocate(int(size_bytes))
            self._context.set_tensor_address(tensor.name, self._addresses[tensor.name])
        self._images = images


class _Log(trt.ILogger):  # type: ignore[misc]
    """Keeps what the engine complains about: it returns None or False and says why here."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self._errors: list[str] = []

    def log(self, severity: Any, message: str) -> None:
        if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
            self._errors.append(message)

    def expect(self, answer: Any, verb: str) -> Any:
        """``answer``, or an ``EngineError`` where it is None or False."""
        if answer is None or answer is False:
            said = "; ".join(self._errors[-3:]) or "it gave no reason"
            raise EngineError(f"tensorrt could not {verb} the engine: {said}")
        return answer


def _check_contract(engine: Any, artifact: Artifact) -> None:
    """The engine's tensors must be those of the card."""
    dtypes = {"uint8": trt.DataType.UINT8, "float32": trt.DataType.FLOAT}
    spec: ModelSpec = artifact.spec
    wanted = {it.name: (trt.TensorIOMode.INPUT, dtypes[it.dtype]) for it in spec.inputs}
    wanted |= {it.name: (trt.TensorIOMode.OUTPUT, dtypes[it.dtype]) for it in spec.outputs}
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = {it: (engine.get_tensor_mode(it), engine.get_tensor_dtype(it)) for it in names}
    if found != wanted:
        raise ArtifactError(
            f"{artifact.directory} has other inputs and outputs than its card says: {found}",
            hint="export it again",
        )


def _shape(shape: tuple[int | str, ...], images: int) -> tuple[int, ...]:
    return tuple(images if isinstance(side, str) else side for side in shape)


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Let callers catch our error, and let debuggers see theirs."""
    try:
        yield
    except ScunextEdgeError:
        raise
    except Exception as error:
        raise EngineError(f"tensorrt: {error}") from error
