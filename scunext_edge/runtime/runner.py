"""The contract that every engine keeps, and one inference by it. Knows no engine."""

from __future__ import annotations

from typing import Protocol

from scunext_edge.runtime.precision import Census
from scunext_edge.spec import Array, Arrays, ModelSpec


class Runner(Protocol):
    """A loaded model. Every method blocks until its effect is complete.

    A runner never looks at a clock: what is timed is decided in one place,
    ``benchmarks.measure``, so that the same number means the same thing on every engine.
    A method called after :meth:`close` (other than ``close``), or before the one it builds
    on, is a bug of the caller and raises ``ValueError``, as a closed file does.
    """

    spec: ModelSpec

    def put(self, inputs: Arrays) -> None:
        """Place ``inputs`` where the engine reads them (host memory or device memory).

        The arrays must stay unchanged until the last :meth:`execute` on them has returned.
        A batch size that was not seen before may make the engine compile here.
        """

    def execute(self) -> None:
        """Compute once from what was last put, and return when the result exists."""

    def get(self) -> dict[str, Array]:
        """Copy the result to host memory. The caller owns the arrays."""

    def census(self) -> Census | None:
        """What the engine reports that each convolution and product of one image ran in.

        Precisions are "fp32", "tf32", "bf16", "fp16", "fp8" and "int8", and "unknown" for what it
        does not tell among the rest; None where the engine cannot say. May be slow and may run the
        model: never call it while time is taken.
        """

    def close(self) -> None:
        """Give back memory and handles. Calling it twice is harmless."""


def check_inputs(spec: ModelSpec, inputs: Arrays) -> None:
    """Raise ``ValueError`` naming every input that is absent, unknown or of the wrong form."""
    wanted = {tensor.name: tensor for tensor in spec.inputs}
    wrong = [f"{name}: the model has no such input" for name in inputs if name not in wanted]
    for name, tensor in wanted.items():
        reason = tensor.mismatch(inputs[name]) if name in inputs else f"{name}: is missing"
        if reason:
            wrong.append(reason)
    if wrong:
        raise ValueError("inputs do not fit the model: " + "; ".join(wrong))


def infer(runner: Runner, inputs: Arrays) -> dict[str, Array]:
    """Check, put, execute, get: one inference as an application sees it."""
    check_inputs(runner.spec, inputs)
    runner.put(inputs)
    runner.execute()
    return runner.get()


def closed() -> ValueError:
    """The error of a runner that is used after it was closed."""
    return ValueError("the runner is closed")


def nothing_to(verb: str, first: str) -> ValueError:
    """The error of a runner whose methods are called out of order."""
    return ValueError(f"nothing to {verb}: call {first} first")
