"""What a run over folders is asked for, in a form that travels to other processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from scunext_edge.artifacts import Artifact
from scunext_edge.quality.limits import Limits
from scunext_edge.runtime.dicom_seg import Segmented
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.runner import Runner
from scunext_edge.weights.shipped import deployed, limits_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How every picture is segmented. What names no file decides whether a row still holds."""

    model: str  # a network that ships, or an artifact's folder
    backend: str
    out: str
    precision: str = "fp32"
    device: str = "cpu"
    threads: int = 1
    frame: int | None = None
    overlay: bool = True
    seg: Segmented | None = None
    threshold: float = 0.5  # of the probability
    tta: bool = False  # the mean of eight views
    limits: str | None = None  # a file; null: those that ship for the network

    def artifact(self) -> Artifact:
        """What is run; errors as of ``deployed``."""
        return deployed(self.model, backend=self.backend, precision=self.precision)

    def limits_of(self, artifact: Artifact) -> Limits | None:
        """Beyond which a mask is not to be used; errors as of ``shipped.limits_of``."""
        return limits_of(artifact, Path(self.limits) if self.limits else None)

    def predictor(self, runner: Runner, limits: Limits | None) -> Predictor:
        """From a picture to its mask as this job wants it; errors as of ``logit_of``."""
        return Predictor(runner, limits, threshold=self.threshold, views=self.tta)

    def to_json(self) -> dict[str, Any]:
        """For ``from_json`` of another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """What ``to_json`` gave."""
        return cls(**data)


class Input(NamedTuple):
    """A picture: where it is, and what it is called in the results."""

    path: Path
    name: str  # relative, with forward slashes
