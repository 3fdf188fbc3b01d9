"""ONNX Runtime, on the CPU or through its CUDA provider."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import BackendUnavailable, EngineError
from scunext_edge.runtime.layers import Kernel, from_runs, onnxruntime_runs
from scunext_edge.runtime.precision import (
    Census,
    Work,
    conv_macs,
    matmul_macs,
    transposed_conv_macs,
)
from scunext_edge.runtime.runner import closed, nothing_to
from scunext_edge.spec import Array, Arrays

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# FP32 means FP32: left alone the provider rounds the inputs of products to 10 bits
_SETTINGS = {"cpu": {}, "cuda": {"use_tf32": "0"}}
_ERRORS_ONLY = 3
# What ONNX Runtime calls element types in a profile, in our words.
_FLOATS = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_CONVERSIONS = {"Cast", "QuantizeLinear", "DequantizeLinear", "ReorderInput", "ReorderOutput"}
_INTEGERS = frozenset({"int8", "uint8"})


def offers() -> tuple[str, tuple[str, ...]]:
    """The engine's version and the devices that this build of it knows."""
    known = set(ort.get_available_providers())
    return ort.__version__, tuple(name for name, it in _PROVIDERS.items() if it in known)


def open_runner(artifact: Artifact, *, device: str, threads: int) -> OrtRunner | OrtCudaRunner:
    """Load an ONNX artifact; the device is the one asked for, or this raises."""
    open_session = _opener(artifact, device)
    session = open_session(_options(threads))
    runner = OrtRunner if device == "cpu" else OrtCudaRunner
    return runner(artifact, session, lambda: _census(artifact, open_session, threads))


def open_profiled(artifact: Artifact, *, device: str, threads: int) -> OrtProfiled:
    """The same with the engine's profiler on."""
    return OrtProfiled(_opener(artifact, device), threads)


def _opener(artifact: Artifact, device: str) -> Callable[[Any], Any]:
    version, devices = offers()
    if device not in devices:
        raise BackendUnavailable(
            f"onnxruntime {version} cannot run on {device!r} here",
            hint=f"it offers: {', '.join(devices)}",
        )
    return partial(_session, str(artifact.file(".onnx")), device)


class OrtRunner:
    """A session on the CPU. The arrays that were put are read where they are."""

    def __init__(self, artifact: Artifact, session: Any, find_census: Callable[[], Census]) -> None:
        self.spec = artifact.spec
        self._session = session
        self._find_census = find_census
        self._inputs: Arrays = {}
        self._outputs: list[Array] = []

    def put(self, inputs: Arrays) -> None:
        if self._session is None:
            raise closed()
        self._inputs, self._outputs = inputs, []

    def execute(self) -> None:
        if self._session is None:
            raise closed()
        if not self._inputs:
            raise nothing_to("execute", "put")
        with _engine_errors():
            self._outputs = self._session.run(None, self._inputs)

    def get(self) -> dict[str, Array]:
        if self._session is None:
            raise closed()
        if not self._outputs:
            raise nothing_to("get", "execute")
        # Every run makes new arrays, but two calls of get must not hand out the same ones.
        names = (tensor.name for tensor in self.spec.outputs)
        return {name: np.array(it) for name, it in zip(names, self._outputs, strict=True)}

    def census(self) -> Census:
        if self._session is None:
            raise closed()
        return self._find_census()

    def close(self) -> None:
        self._session, self._inputs, self._outputs = None, {}, []


class OrtCudaRunner:
    """A session on the GPU: inputs and outputs stay there, so ``execute`` copies nothing."""

    def __init__(self, artifact: Artifact, session: Any, find_census: Callable[[], Census]) -> None:
        self.spec = artifact.spec
        self._session = session
        self._find_census = find_census
        self._binding: Any = None
        self._executed = False

    def put(self, inputs: Arrays) -> None:
        if self._session is None:
            raise closed()
        with _engine_errors():
            binding = self._session.io_binding()
            for name, array in inputs.items():
                on_device = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), "cuda", 0)
                binding.bind_ortvalue_input(name, on_device)
            for tensor in self.spec.outputs:
                binding.bind_output(tensor.name, "cuda")
            binding.synchronize_inputs()
        self._binding, self._executed = binding, False

    def execute(self) -> None:
        if self._session is None:
            raise closed()
        if self._binding is None:
            raise nothing_to("execute", "put")
        with _engine_errors():
            self._session.run_with_iobinding(self._binding)
            self._binding.synchronize_outputs()
        self._executed = True

    def get(self) -> dict[str, Array]:
        if self._session is None:
            raise closed()
        if not self._executed:
            raise nothing_to("get", "execute")
        with _engine_errors():
            outputs = self._binding.copy_outputs_to_cpu()
        return dict(zip((tensor.name for tensor in self.spec.outputs), outputs, strict=True))

    def census(self) -> Census:
        if self._session is None:
            raise closed()
        return self._find_census()

    def close(self) -> None:
        self._session, self._binding, self._executed = None, None, False


def _options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return options


def _session(model: str, device: str, options: Any) -> Any:
    wanted = _PROVIDERS[device]
    with _engine_errors():
        session = ort.InferenceSession(model, options, [(wanted, _SETTINGS[device])])
    # A provider whose libraries do not load is dropped with no more than a log line.
    ran = session.get_providers()[0]
    if ran != wanted:
        raise BackendUnavailable(
            f"onnxruntime was asked for {wanted} and chose {ran}",
            hint="use the device cpu, or install the CUDA libraries that this build needs",
        )
    return session


class OrtProfiled:
    """A session whose profile goes to a folder of its own, which is removed in the end."""

    def __init__(
        self, open_session: Callable[[Any], Any], threads: int, *, packed: bool = True
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="scunext-edge-")
        options = _options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(self._folder.name, "profile"))
        if not packed:
            options.add_session_config_entry("session.disable_prepacking", "1")
        self._session = open_session(options)
        self._inputs: Arrays = {}

    def put(self, inputs: Arrays) -> None:
        self._inputs = inputs

    def execute(self) -> None:
        with _engine_errors():
            self._session.run(None, self._inputs)

    def kernels(self) -> tuple[Kernel, ...]:
        with _engine_errors():
            events = json.loads(Path(self._session.end_profiling()).read_text(encoding="utf-8"))
            runs, arguments = onnxruntime_runs(events)
        return from_runs(runs, {name: _described(name, it) for name, it in arguments.items()})

    def close(self) -> None:
        self._session = None
        self._folder.cleanup()


def _census(artifact: Artifact, open_session: Callable[[Any], Any], threads: int) -> Census:
    """Run once on a black image with profiling on, and see which kernels worked on what.

    Profiling slows a session down, hence one of its own. The file's Q/DQ nodes prove nothing:
    on x86 they may be folded into floating-point convolutions. MACs are those that ran: blocked
    kernels ("nchwc") fill channels up to whole blocks and multiply them, too.
    """
    black = {
        it.name: np.zeros([1 if isinstance(n, str) else n for n in it.shape], it.dtype)
        for it in artifact.spec.inputs
    }
    # Packed weights do not stand among a kernel's inputs, and neither would their MACs.
    with closing(OrtProfiled(open_session, threads, packed=False)) as profiled:
        profiled.put(black)
        profiled.execute()
        kernels = profiled.kernels()
    return Census(
        work=tuple(
            Work(name=it.name, precision=it.precision, macs=it.macs)
            for it in kernels
            if it.precision is not None and it.macs is not None
        ),
        conversions=sum(it.op in _CONVERSIONS for it in kernels),
    )


def _described(name: str, node: Mapping[str, Any]) -> dict[str, Any]:
    work = _work(name, node)
    return {"parts": (name,)} | ({"precision": work.precision, "macs": work.macs} if work else {})


def _work(name: str, node: Mapping[str, Any]) -> Work | None:
    """A profiled node, or None for one that multiplies no matrices."""
    operator = node.get("op_name", "")
    is_conv, is_matmul = "Conv" in operator, "MatMul" in operator or "Gemm" in operator
    if not (is_conv or is_matmul):
        return None
    inputs = [(kind, dims) for it in node["input_type_shape"] for kind, dims in it.items()]
    (output,) = (dims for it in node["output_type_shape"][:1] for dims in it.values())
    kinds = [kind for kind, _ in inputs]
    precision = "int8" if _INTEGERS & set(kinds) else _FLOATS.get(kinds[0], kinds[0])
    if is_matmul:
        macs = matmul_macs(inputs[0][1], output)
        return Work(name=name, precision=precision, macs=macs)
    # The first of its rank: scales have a smaller one, and a sum that was fused in comes last
    weights = max((dims for _, dims in inputs[1:]), key=len)
    transposed = "Transpose" in operator
    macs = transposed_conv_macs(weights, inputs[0][1]) if transposed else conv_macs(weights, output)
    return Work(name=name, precision=precision, macs=macs)


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Let callers catch our error, and let debuggers see theirs."""
    try:
        yield
    except Exception as error:
        raise EngineError(f"onnxruntime: {error}") from error
