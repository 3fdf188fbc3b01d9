"""What a benchmark is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks.suite import Suite
from scunext_edge.benchmarks.verdict import MAX_CV
from scunext_edge.errors import ConfigError
from scunext_edge.evaluation.bootstrap import CONFIDENCE
from scunext_edge.evaluation.gate import DEFAULT_LIMITS, check_limits
from scunext_edge.export.export import PRECISIONS
from scunext_edge.pipeline.forms import OFFERED
from scunext_edge.pipeline.subjects import DEFAULT_MODELS

DEFAULT_PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides which rows there are and how they are judged."""

    out: Path
    suite: Suite
    models: tuple[str, ...] = DEFAULT_MODELS  # names, or paths of artifacts
    backends: tuple[str, ...] = tuple(OFFERED)
    precisions: tuple[str, ...] = DEFAULT_PRECISIONS
    data: Path | None = None  # null: lesions drawn by the package
    part: str = "test"
    drawn: int = 48  # how many of them
    size: int | None = None  # null: the size that each network was trained for
    device: str = "cpu"
    limits: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    confidence: float = CONFIDENCE
    max_cv: float = MAX_CV  # of the processes' medians, beyond which a latency is unstable
    wants_stable: bool = False  # a latency that is not stable is then a failure
    trainings: tuple[Mapping[str, Any], ...] = ()  # accuracy from experiments, for the report
    licence: str | None = None  # of the data, for the report
    command: tuple[str, ...] = ()  # how it was started, for the report

    def __post_init__(self) -> None:
        _all_known(self.backends, tuple(OFFERED), "backend")
        _all_known(self.precisions, PRECISIONS, "precision")
        check_limits(self.limits, self.confidence)
        if not 0 < self.max_cv < 1:
            raise ConfigError(
                f"a coefficient of variation of {self.max_cv:g} is no limit",
                hint="--max-cv is a share between 0 and 1, e.g. 0.05",
            )
        if not (self.models and self.backends and self.precisions):
            raise ConfigError("nothing to measure", hint="name a model, a backend, a precision")


def _all_known(asked: tuple[str, ...], known: tuple[str, ...], what: str) -> None:
    import difflib

    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            raise ConfigError(
                f"there is no {what} {name!r} to measure",
                hint=f"did you mean {near[0]}?" if near else f"choose of: {', '.join(known)}",
            )
