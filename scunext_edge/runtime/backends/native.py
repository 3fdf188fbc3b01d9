"""This project's own engine, on the CPU. It computes ``score``, from which logits are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import BackendUnavailable, EngineError
from scunext_edge.kernels import native
from scunext_edge.kernels.plan import NONE, Kind, Op, Plan, TensorType, read_plan
from scunext_edge.kernels.traffic import arithmetic, traffic
from scunext_edge.runtime.layers import Kernel, from_runs
from scunext_edge.runtime.precision import Census, Work
from scunext_edge.runtime.runner import closed, nothing_to
from scunext_edge.spec import Array, Arrays

_PRECISIONS = {"f32": "fp32", "int8": "int8"}
_CONVOLUTIONS = {Kind.CONV, Kind.LINEAR, Kind.DECONV, Kind.TAIL_DECONV}
_MULTIPLY = _CONVOLUTIONS | {
    *(Kind.DEPTHWISE, Kind.CHANNEL_GATE, Kind.SPATIAL_GATE, Kind.TAIL, Kind.TAIL_UPSAMPLE),
}


def offers() -> tuple[str, tuple[str, ...]]:
    """The engine's version; ``cpu``, and with an instruction set that is forced ``cpu-NAME``."""
    return native.version(), ("cpu", *(f"cpu-{isa}" for isa in native.instruction_sets()))


def open_runner(
    artifact: Artifact, *, device: str, threads: int, output: native.Output = "score"
) -> NativeRunner:
    """Load an ``.scx`` file. ``output`` "logits" is exact, and slower than "score"."""
    return NativeRunner(artifact, _open(artifact, device, threads), output)


def open_profiled(artifact: Artifact, *, device: str, threads: int) -> NativeProfiled:
    """The same with the times of operations kept."""
    model = _open(artifact, device, threads, profile=1)
    return NativeProfiled(artifact, model)


def _open(artifact: Artifact, device: str, threads: int, *, profile: int = 0) -> native.Model:
    version, devices = offers()
    if device not in devices:
        raise BackendUnavailable(
            f"native {version} cannot run on {device!r} here",
            hint=f"it offers: {', '.join(devices)}",
        )
    isa = device.partition("-")[2] or None
    size = (artifact.spec.size, artifact.spec.size)
    file = artifact.file(".scx")
    with _engine_errors():
        return native.open_model(file, threads=threads, isa=isa, size=size, profile=profile)


class NativeRunner:
    """An opened file. The images that were put are read where they are."""

    def __init__(self, artifact: Artifact, model: native.Model, output: native.Output) -> None:
        self.spec = artifact.spec
        self._file = artifact.file(".scx")
        self._model: native.Model | None = model
        self._what: native.Output = output
        self._images: Array | None = None
        self._result: Array | None = None

    def put(self, inputs: Arrays) -> None:
        self._open()
        (image,) = self.spec.inputs
        self._images, self._result = np.ascontiguousarray(inputs[image.name]), None

    def execute(self) -> None:
        model = self._open()
        if self._images is None:
            raise nothing_to("execute", "put")
        with _engine_errors():
            self._result = model.run(self._images, self._what)

    def get(self) -> dict[str, Array]:
        """A score stands for the middle of its step of 1/16, so that 0 parts the same pixels."""
        self._open()
        if self._result is None:
            raise nothing_to("get", "execute")
        logits = self._result.astype(np.float32)
        if self._what == "score":
            logits = (logits - np.float32(127.5)) / np.float32(16)
        (output,) = self.spec.outputs
        return {output.name: logits}

    def census(self) -> Census:
        model = self._open()
        with _engine_errors():
            plan = read_plan(self._file.read_bytes())
            steps = zip(plan.ops, model.operations(), strict=True)
            work = [
                Work(name=step.name, precision=_arithmetic(plan, op), macs=step.macs)
                for op, step in steps
                if op.kind in _MULTIPLY
            ]
            return Census(work=tuple(work), conversions=sum(_converts(plan, op) for op in plan.ops))

    def close(self) -> None:
        if self._model is not None:
            self._model.close()
        self._model, self._images, self._result = None, None, None

    def _open(self) -> native.Model:
        if self._model is None:
            raise closed()
        return self._model


class NativeProfiled:
    """A runner whose operations are asked for their times after every run."""

    def __init__(self, artifact: Artifact, model: native.Model) -> None:
        self._runner = NativeRunner(artifact, model, "score")
        self._model = model
        self._plan = read_plan(artifact.file(".scx").read_bytes())
        self._size = artifact.spec.size
        self._runs: list[list[tuple[str, str, int]]] = []

    def put(self, inputs: Arrays) -> None:
        self._runner.put(inputs)

    def execute(self) -> None:
        self._runner.execute()
        self._runs.append([(*it, step.time_ns) for it, step in self._steps()])

    def kernels(self) -> tuple[Kernel, ...]:
        told = {
            name: {
                "precision": _PRECISIONS[arithmetic(self._plan, op)],
                "macs": step.macs,
                "moved_bytes": traffic(self._plan, op, self._size),
            }
            for op, ((name, _), step) in zip(self._plan.ops, self._steps(), strict=True)
        }
        return from_runs(self._runs, told)

    def close(self) -> None:
        self._runner.close()

    def _steps(self) -> list[tuple[tuple[str, str], native.Operation]]:
        """Every operation with a name that is unique, and its kind."""
        with _engine_errors():
            steps = self._model.operations()
        return [((f"{i} {it.name}", it.name.split()[0]), it) for i, it in enumerate(steps)]


def _converts(plan: Plan, op: Op) -> bool:
    """Whether an operation reads one number format and writes another: here it costs no pass."""
    formats = [{plan.tensors[it].type for it in of if it != NONE} for of in (op.inputs, op.outputs)]
    return bool(formats[0] and formats[1] - formats[0])


def _arithmetic(plan: Plan, op: Op) -> str:
    """What an operation multiplies in; bf16 weights are widened first."""
    stored = plan.tensors[op.inputs[0]].type
    if op.kind in _CONVOLUTIONS and stored is TensorType.Q8:
        return "int8"
    if op.kind is Kind.TAIL_UPSAMPLE and stored is TensorType.Q16:
        return "int16"
    return "fp32"


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Let callers catch our error, and let debuggers see theirs."""
    try:
        yield
    except native.ScxError as error:
        raise EngineError(f"native: {error}") from error
