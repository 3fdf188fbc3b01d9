"""torch itself, from the checkpoint: the reference.

``cuda-graph`` is the GPU with its kernels recorded once per batch size, in ``put``, and replayed
in ``execute``: what is left is the arithmetic, without the cost of starting each kernel.
``cuda-compile`` records what ``torch.compile`` made of the network in the same way.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import BackendUnavailable, EngineError, ScunextEdgeError
from scunext_edge.models.checkpoint import load_network
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

_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
_NAMES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
_CPU = torch.profiler.ProfilerActivity.CPU
_RUN, _MODULE = "scunext run", "scunext module "  # marks in a profile
_RECORDED = ("cuda-graph", "cuda-compile")
_GRAPH_WARMUP = 3  # convolution algorithms are chosen in the first runs, which no graph may hold


def offers() -> tuple[str, tuple[str, ...]]:
    """The engine's version and the devices it finds."""
    devices = ("cpu", "cuda", *_RECORDED) if torch.cuda.is_available() else ("cpu",)
    return str(torch.__version__), devices


def open_runner(artifact: Artifact, *, device: str, threads: int) -> EagerRunner | GraphRunner:
    """Rebuild the network from its checkpoint, in the precision that the card asks for.

    torch counts threads per process: the runner opened last decides for all.
    """
    kind = GraphRunner if device in _RECORDED else EagerRunner
    return kind(artifact.spec, _open(artifact, device, threads))


def open_profiled(artifact: Artifact, *, device: str, threads: int) -> EagerProfiled:
    """The same with a profiler that knows the network's modules."""
    return EagerProfiled(artifact.spec, _open(artifact, device, threads))


def _open(artifact: Artifact, device: str, threads: int) -> _Forward:
    version, devices = offers()
    if device not in devices:
        raise BackendUnavailable(
            f"torch {version} cannot run on {device!r} here",
            hint=f"it offers: {', '.join(devices)}",
        )
    place = torch.device("cpu" if device == "cpu" else "cuda")
    dtype = _dtype(artifact, place)
    network = load_network(artifact)
    torch.set_num_threads(threads)
    if place.type == "cuda":
        _forbid_tf32()
    with _engine_errors():
        # Stubs of torch type `to` without memory_format and device together.
        moved: Any = network.to(device=place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return _Forward(moved, place, dtype, compiled=device == "cuda-compile")


class EagerRunner:
    """The network on the CPU or GPU, one operation after another."""

    def __init__(self, spec: ModelSpec, forward: _Forward) -> None:
        self.spec = spec
        self._forward: _Forward | None = forward
        self._image: Tensor | None = None
        self._logits: Tensor | None = None

    def put(self, inputs: Arrays) -> None:
        forward = self._open()
        with _engine_errors():
            self._image, self._logits = forward.upload(_image_of(self.spec, inputs)), None

    def execute(self) -> None:
        forward = self._open()
        if self._image is None:
            raise nothing_to("execute", "put")
        with _engine_errors():
            self._logits = forward(self._image)
            forward.synchronize()

    def get(self) -> dict[str, Array]:
        self._open()
        return _download(self.spec, self._logits)

    def census(self) -> Census:
        forward = self._open()
        with _engine_errors():
            return forward.census(self.spec)

    def close(self) -> None:
        self._forward, self._image, self._logits = None, None, None

    def _open(self) -> _Forward:
        if self._forward is None:
            raise closed()
        return self._forward


class GraphRunner:
    """The network on the GPU as one recorded graph per batch size."""

    def __init__(self, spec: ModelSpec, forward: _Forward) -> None:
        self.spec = spec
        self._forward: _Forward | None = forward
        self._graphs: dict[int, tuple[Any, Tensor, Tensor]] = {}  # graph, image, logits
        self._images = 0
        self._executed = False
        self.put({it.name: np.zeros((1, *it.shape[1:]), it.dtype) for it in spec.inputs})  # type: ignore[arg-type]
        self._images = 0

    def put(self, inputs: Arrays) -> None:
        forward = self._open()
        pixels = _image_of(self.spec, inputs)
        with _engine_errors():
            if len(pixels) not in self._graphs:
                self._graphs[len(pixels)] = _record(forward, forward.upload(pixels))
            self._graphs[len(pixels)][1].copy_(torch.from_numpy(pixels))
            forward.synchronize()
        self._images, self._executed = len(pixels), False

    def execute(self) -> None:
        forward = self._open()
        if not self._images:
            raise nothing_to("execute", "put")
        with _engine_errors():
            self._graphs[self._images][0].replay()
            forward.synchronize()
        self._executed = True

    def get(self) -> dict[str, Array]:
        self._open()
        return _download(self.spec, self._graphs[self._images][2] if self._executed else None)

    def census(self) -> Census:
        forward = self._open()
        with _engine_errors():
            return forward.census(self.spec)

    def close(self) -> None:
        self._forward, self._images, self._executed = None, 0, False
        self._graphs.clear()

    def _open(self) -> _Forward:
        if self._forward is None:
            raise closed()
        return self._forward


class EagerProfiled:
    """Modules without children are kernels; so is what is called beside them, by operator."""

    def __init__(self, spec: ModelSpec, forward: _Forward) -> None:
        self._spec = spec
        self._runner = EagerRunner(spec, forward)
        self._told = forward.costs(spec)
        self._ops = forward.name_modules()
        self._profiler: Any = torch.profiler.profile(activities=[_CPU])
        self._profiler.start()

    def put(self, inputs: Arrays) -> None:
        self._runner.put(inputs)

    def execute(self) -> None:
        with torch.profiler.record_function(_RUN):
            self._runner.execute()

    def kernels(self) -> tuple[Kernel, ...]:
        self._profiler.stop()
        events = self._profiler.events()
        starts = sorted(it.time_range.start for it in events if it.name == _RUN)
        runs: list[list[tuple[str, str, int]]] = [[] for _ in starts]
        for event in events:
            if event.cpu_parent is not None and event.cpu_parent.name == _RUN:
                run = runs[bisect_right(starts, event.time_range.start) - 1]
                name = event.name.removeprefix(_MODULE)
                run.append((name, self._ops.get(name, name), round(1e3 * event.cpu_time_total)))
        return from_runs(runs, self._told)

    def close(self) -> None:
        self._runner.close()


class _Forward:
    """The network with the device and the precision that it runs in."""

    def __init__(
        self,
        network: Any,
        place: torch.device,
        dtype: torch.dtype | None,
        *,
        compiled: bool = False,
    ) -> None:
        self._network = network
        # Each batch size is compiled anew. Census and costs look at the operations as written.
        self._fused = torch.compile(network, dynamic=False) if compiled else network
        self._place = place
        self._dtype = dtype

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> Tensor:
        return self._compute(image, self._fused)

    def _compute(self, image: Tensor, network: Any) -> Tensor:
        # Without its cache of converted weights, autocast may also be recorded in a graph.
        autocast = torch.autocast(
            self._place.type, self._dtype, enabled=self._dtype is not None, cache_enabled=False
        )
        with autocast:
            logits: Tensor = network(image)
        return logits

    def upload(self, pixels: Array) -> Tensor:
        image = torch.from_numpy(pixels).to(self._place)
        self.synchronize()
        return image

    def synchronize(self) -> None:
        if self._place.type == "cuda":
            torch.cuda.synchronize(self._place)

    def census(self, spec: ModelSpec) -> Census:
        """Run a black image and look at what reaches the kernels, below autocast."""
        witness = self._watched(spec)
        return Census(work=tuple(witness.work), conversions=witness.conversions)

    def costs(self, spec: ModelSpec) -> dict[str, dict[str, Any]]:
        """Precision, MACs and bytes of every module without children, by its dotted name."""
        found: dict[str, dict[str, Any]] = {}
        before = 0
        witness = _Witness()

        def enter(*_: Any) -> None:
            nonlocal before
            before = len(witness.work)

        def leave(name: str, module: Any, inputs: Any, output: Any) -> None:
            tensors = [it for it in (*inputs, output, *module.parameters()) if torch.is_tensor(it)]
            own = found.setdefault(name, {"macs": 0, "moved_bytes": 0})
            own["moved_bytes"] += sum(it.numel() * it.element_size() for it in tensors)
            for work in witness.work[before:]:
                own |= {"macs": own["macs"] + work.macs, "precision": work.precision}

        handles = []
        for name, module in self._leaves():
            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(partial(leave, name)))
        try:
            self._watched(spec, witness)
        finally:
            for handle in handles:
                handle.remove()
        return found

    def name_modules(self) -> dict[str, str]:
        """From now on a profiler finds the modules without children by name; name to class."""
        for name, module in self._leaves():
            _mark(module, torch.profiler.record_function(_MODULE + name))
        return {name: type(module).__name__ for name, module in self._leaves()}

    def _leaves(self) -> list[tuple[str, Any]]:
        named = self._network.named_modules()
        return [(name, it) for name, it in named if name and not list(it.children())]

    def _watched(self, spec: ModelSpec, witness: _Witness | None = None) -> _Witness:
        witness = witness or _Witness()
        black = torch.zeros(1, spec.size, spec.size, 3, dtype=torch.uint8, device=self._place)
        # In inference mode the witness would see a convolution before it is converted.
        with torch.no_grad(), witness:
            self._compute(black, self._network)
        return witness


class _Witness(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the number format and MACs of every convolution and matrix product."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work: list[Work] = []
        self.conversions = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name == "convolution":
            data, weights, transposed = args[0], args[1], args[6]
            macs = (
                transposed_conv_macs(weights.shape, data.shape)
                if transposed
                else conv_macs(weights.shape, result.shape)
            )
            self._note(name, data, macs)
        elif name in {"mm", "bmm", "addmm", "baddbmm"}:
            left = args[1] if name.endswith("addmm") or name == "baddbmm" else args[0]
            self._note(name, left, matmul_macs(left.shape, result.shape))
        elif name == "_to_copy" and args[0].dtype != result.dtype:
            self.conversions += 1
        return result

    def _note(self, name: str, data: Tensor, macs: int) -> None:
        precision = _NAMES.get(data.dtype, str(data.dtype))
        self.work.append(Work(name=name, precision=precision, macs=macs))


def _mark(module: Any, span: Any) -> None:
    """Let every call of ``module`` lie within ``span``."""

    def enter(*_: Any) -> None:
        span.__enter__()

    def leave(*_: Any) -> None:
        span.__exit__(None, None, None)

    module.register_forward_pre_hook(enter)
    module.register_forward_hook(leave)


def _dtype(artifact: Artifact, place: torch.device) -> torch.dtype | None:
    """What to convert to on the way; None for float32. Refuses what the device has no use for."""
    precision = artifact.card.precision
    if precision == "fp32":
        return None
    if precision not in _DTYPES or (precision == "fp16" and place.type == "cpu"):
        raise BackendUnavailable(
            f"torch does not run {precision} checkpoints on {place.type}",
            hint="it offers: fp32 and bf16 on cpu; fp32, fp16 and bf16 on cuda",
        )
    return _DTYPES[precision]


def _forbid_tf32() -> None:
    """FP32 means FP32: by default cuDNN rounds the inputs of float32 convolutions to 10 bits."""
    if hasattr(torch.backends.cudnn, "conv"):  # torch 2.9 and later; mixing both ways warns
        torch.backends.cudnn.conv.fp32_precision = "ieee"
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        return
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def _record(forward: _Forward, image: Tensor) -> tuple[Any, Tensor, Tensor]:
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_GRAPH_WARMUP):
            forward(image)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = forward(image)
    return graph, image, logits


def _image_of(spec: ModelSpec, inputs: Arrays) -> Array:
    """The one input, in a form that torch takes without a warning: contiguous and writeable."""
    (tensor,) = spec.inputs
    pixels = np.ascontiguousarray(inputs[tensor.name])
    return pixels if pixels.flags.writeable else pixels.copy()


def _download(spec: ModelSpec, logits: Tensor | None) -> dict[str, Array]:
    if logits is None:
        raise nothing_to("get", "execute")
    (tensor,) = spec.outputs
    with _engine_errors():
        return {tensor.name: np.array(logits.float().cpu().numpy())}


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    """Let callers catch our error, and let debuggers see theirs."""
    try:
        yield
    except ScunextEdgeError:
        raise
    except Exception as error:
        raise EngineError(f"torch: {error}") from error
