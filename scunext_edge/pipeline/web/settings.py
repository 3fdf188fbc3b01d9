"""What is compared, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scunext_edge.weights.shipped import Form

Engine = Literal["native", "onnxruntime-web"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A shipped form of a network in an engine; ``wasm`` is the native module, by its set."""

    engine: Engine
    form: Form
    wasm: str | None = None

    @property
    def precision(self) -> str:
        """ "fp32" or "int8"."""
        return self.form.partition("-")[2]


CONTENDERS = (
    Contender(engine="native", form="native-int8", wasm="wasm_relaxed"),
    Contender(engine="native", form="native-int8", wasm="wasm"),
    Contender(engine="native", form="native-fp32", wasm="wasm_relaxed"),
    Contender(engine="native", form="native-fp32", wasm="wasm"),
    Contender(engine="onnxruntime-web", form="onnx-fp32"),
    Contender(engine="onnxruntime-web", form="onnx-int8"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``processes`` browsers, one after another; in each ``rounds``, in which all take turns."""

    models: tuple[str, ...] = ("scunext", "unext")
    processes: int = 5
    rounds: int = 6
    runs: int = 10  # in a row, after one that does not count
    seed: int = 0  # of the order within rounds


QUICK = Settings(models=("scunext",), processes=1, rounds=1, runs=2)
