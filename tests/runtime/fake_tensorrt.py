"""Stand-ins for ``tensorrt`` and ``cuda.bindings.runtime`` that work in host memory.

The engine file is JSON. What is enqueued in a stream happens when the stream is synchronised and
not before, so code that forgets to wait reads stale memory, as it would on a device.
"""

from __future__ import annotations

import ctypes
import enum
import json
import re
import types

import numpy as np


class Error(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2


class Device:
    """One GPU: its memory, streams and what waits in them."""

    def __init__(self, *, count: int = 1, name: bytes = b"Fake Orin", capability=(8, 7)) -> None:
        self.count = count
        self.facts = types.SimpleNamespace(name=name, major=capability[0], minor=capability[1])
        self.memory: dict[int, np.ndarray] = {}
        self.streams: dict[int, list] = {}

    def module(self) -> types.ModuleType:
        runtime = types.ModuleType("cuda.bindings.runtime")
        kinds = enum.IntEnum("Kind", {"cudaMemcpyHostToDevice": 1, "cudaMemcpyDeviceToHost": 2})
        runtime.cudaMemcpyKind = kinds
        runtime.cudaGetDeviceCount = lambda: (Error.cudaSuccess, self.count)
        runtime.cudaGetDeviceProperties = lambda index: (Error.cudaSuccess, self.facts)
        runtime.cudaDriverGetVersion = lambda: (Error.cudaSuccess, 12060)
        runtime.cudaStreamCreate = self._new_stream
        runtime.cudaStreamDestroy = lambda stream: self._removed(self.streams, stream)
        runtime.cudaStreamSynchronize = self._synchronize
        runtime.cudaMalloc = self._allocate
        runtime.cudaFree = lambda address: self._removed(self.memory, address)
        runtime.cudaMemcpyAsync = self._copy
        return runtime

    def view(self, address: int, shape, dtype) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.memory[address][:size].view(dtype).reshape(shape)

    def _new_stream(self):
        stream = 100 + len(self.streams)
        self.streams[stream] = []
        return Error.cudaSuccess, stream

    def _allocate(self, size):
        block = np.zeros(size, np.uint8)
        self.memory[block.ctypes.data] = block
        return Error.cudaSuccess, block.ctypes.data

    def _removed(self, things, key):
        gone = things.pop(key, None)
        return (Error.cudaErrorInvalidValue if gone is None else Error.cudaSuccess,)

    def _copy(self, target, source, size, kind, stream):
        self.streams[stream].append(lambda: ctypes.memmove(target, source, size))
        return (Error.cudaSuccess,)

    def _synchronize(self, stream):
        waiting, self.streams[stream] = self.streams[stream], []
        for work in waiting:
            work()
        return (Error.cudaSuccess,)


def make_tensorrt(device: Device, api: dict) -> types.ModuleType:
    """A module with the enum values of one version; its engine averages the channels."""
    trt = types.ModuleType("tensorrt")
    trt.__version__ = api["version"]
    for name in ("TensorIOMode", "DataType", "LayerInformationFormat"):
        setattr(trt, name, enum.Enum(name, api[name]["enum"]))

    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING = range(3)

        def log(self, severity, message):
            raise NotImplementedError

    class IExecutionContext:
        def __init__(self, facts):
            self._facts, self._shapes, self._addresses = facts, {}, {}

        def set_input_shape(self, name, shape):
            self._shapes[name] = shape
            return shape[0] <= self._facts["max_batch"]

        def set_tensor_address(self, name, address):
            self._addresses[name] = address
            return True

        def execute_async_v3(self, stream_handle):
            if self._facts.get("fails"):
                return False
            device.streams[stream_handle].append(self._run)
            return True

        def _run(self):
            shape = self._shapes["image"]
            image = device.view(self._addresses["image"], shape, np.uint8)
            logits = (shape[0], 1, *shape[1:3])
            device.view(self._addresses["logits"], logits, np.float32)[:, 0] = (
                image.mean(axis=-1, dtype=np.float32) - 127.5
            )

    class EngineInspector:
        def __init__(self, layers):
            self._layers, self.execution_context = layers, None

        def get_engine_information(self, format):
            assert format is trt.LayerInformationFormat.JSON
            context = self.execution_context
            text = json.dumps({"Layers": self._layers, "Bindings": ["image", "logits"]})
            if context is not None and context._shapes.get("image", (0,))[0] == 1:
                return text
            # As a real one while the batch size is open
            return re.sub('("Format/Datatype": )"[^"]*"', r'\1"N/A due to dynamic shapes"', text)

    class ICudaEngine:
        def __init__(self, facts):
            self._facts = facts
            self.num_io_tensors = 2

        def get_tensor_name(self, index):
            return ("image", self._facts.get("output", "logits"))[index]

        def get_tensor_mode(self, name):
            return trt.TensorIOMode.INPUT if name == "image" else trt.TensorIOMode.OUTPUT

        def get_tensor_dtype(self, name):
            return trt.DataType.UINT8 if name == "image" else trt.DataType.FLOAT

        def create_execution_context(self):
            return IExecutionContext(self._facts)

        def create_engine_inspector(self):
            return EngineInspector(self._facts.get("layers", []))

    class Runtime:
        def __init__(self, logger):
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine):
            try:
                return ICudaEngine(json.loads(serialized_engine))
            except ValueError:
                self._logger.log(ILogger.ERROR, "magic tag does not match")
                return None

    for kind in (ILogger, IExecutionContext, ICudaEngine, Runtime, EngineInspector):
        setattr(trt, kind.__name__, kind)
    return trt
