"""What ``verify`` is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import ConfigError
from scunext_edge.evaluation.acceptance import Criteria
from scunext_edge.runtime.registry import BACKENDS, formats
from scunext_edge.weights.shipped import deployed, names


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """An artifact on an engine."""

    artifact: Artifact
    backend: str
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``tolerance``: in pixels, of the normalised surface Dice."""

    candidate: Side
    reference: Side
    data: Path
    part: str = "test"
    criteria: Criteria = field(default_factory=Criteria)
    tolerance: float = 2.0
    threads: int = 1
    workers: int = 2  # processes that measure outlines
    out: Path | None = None
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1e6:
            raise ConfigError(f"a tolerance of {self.tolerance} pixels", hint="e.g. 2")
        sizes = [it.artifact.spec.size for it in (self.candidate, self.reference)]
        if sizes[0] != sizes[1]:
            raise ConfigError(
                f"the candidate takes images of {sizes[0]} pixels, the reference of {sizes[1]}",
                hint="export both at the same --size",
            )
        if self.out is not None and self.out.exists() and not self.out.is_dir():
            raise ConfigError(f"{self.out} is a file", hint="give --out a folder")


def side(name: str, *, backend: str | None, precision: str, device: str = "cpu") -> Side:
    """A shipped network or an artifact's folder, on the engine that is named or usual for it."""
    if backend is None:
        backend = _usual(name)
    return Side(
        artifact=deployed(name, backend=backend, precision=precision),
        backend=backend,
        device=device,
    )


def _usual(name: str) -> str:
    if name in names():
        return "native"
    artifact = deployed(name, backend="native", precision="fp32")
    return next(it for it in BACKENDS if artifact.card.format in formats(it))
