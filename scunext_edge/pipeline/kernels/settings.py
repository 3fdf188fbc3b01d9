"""What is measured: engines, precisions, networks, sizes, threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Form(NamedTuple):
    """One way to run a network. The variant tells two files of one precision apart."""

    engine: str
    precision: str
    variant: str | None = None


FORMS = (
    Form("native", "fp32"),
    Form("native", "bf16"),
    Form("native", "int8"),
    Form("onnxruntime", "fp32"),
    Form("onnxruntime", "int8", "qdq"),
    Form("openvino", "fp32"),
    Form("openvino", "bf16"),
    Form("openvino", "int8", "qdq"),
    Form("openvino", "int8", "nncf"),
    Form("mnn", "fp32"),
    Form("torch-compile", "fp32"),
)
REFERENCE = Form("onnxruntime", "fp32")  # whose masks the others' are compared with


class Group(NamedTuple):
    """What is measured side by side: ratios are taken within a group."""

    model: str
    size: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much is measured. ``isa`` forces an instruction set; null: the best one here."""

    models: tuple[str, ...] = ("unext", "scunext")
    sizes: tuple[int, ...] = (256, 512)
    threads: tuple[int, ...] = (1, 2)
    forms: tuple[Form, ...] = FORMS
    rounds: int = 12
    burst_ms: float = 120.0  # of one engine in one round; never fewer than three runs
    pause_ms: float = 20.0  # before a burst: threads of the engine before it may still spin
    calibration: int = 16  # drawn lesions; what they hold changes no time
    runs_per_stage: int = 100
    isa: str | None = None
    seed: int = 0  # of the order within a round

    def groups(self) -> Iterator[Group]:
        """Everything in order."""
        for model in self.models:
            for size in self.sizes:
                for threads in self.threads:
                    yield Group(model, size, threads)


# One network, once, and what is made within seconds: that it works, not how fast.
QUICK = Settings(
    models=("unext",),
    sizes=(256,),
    threads=(1,),
    forms=tuple(
        form
        for form in FORMS
        if form.engine != "torch-compile" and form.variant != "nncf" and form.precision != "bf16"
    ),
    rounds=2,
    burst_ms=1.0,
    pause_ms=0.0,
    runs_per_stage=3,
)
