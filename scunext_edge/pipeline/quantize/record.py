"""What a search for mixed precision has found so far: written after every step, read on resume."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scunext_edge import provenance
from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.storage import read_record, write_json

# 1: first form
SCHEMA = 1
KIND = "quantization"
FILE = "quantize.json"
QAT = "qat"  # with its epochs: qat-3
NNCF = "nncf"  # its accuracy control, which chooses its own layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rung of the ladder, measured. ``float_layers``: what was kept out of INT8."""

    name: str  # int8, qat-3, mixed-3, fp16
    float_layers: tuple[str, ...]
    dice: float
    drop: float  # of mean Dice on the bounding images, against the parent
    upper: float
    latency_ms: float  # median; raw values are in records/
    artifact: str  # folder below `out`
    artifact_id: str


@dataclass(slots=True, kw_only=True)
class Search:
    """``about``: what all of it depends on; another one is another search."""

    about: dict[str, Any]
    max_drop: float  # another bound asks the same rungs
    costs: dict[str, float] = field(default_factory=dict)  # layer -> Dice lost when alone in INT8
    steps: list[Step] = field(default_factory=list)
    spent_s: float = 0.0
    outcome: str | None = None  # reached, not reached, out of time; null: under way
    best: str | None = None  # name of a step
    no_fp16: str | None = None  # why the last rung could not be measured

    @property
    def passed(self) -> list[Step]:
        """The rungs that keep the bound; what stands beside the ladder is none."""
        return [it for it in self.steps if self.keeps(it) and it.name != NNCF]

    def keeps(self, step: Step) -> bool:
        """Whether the loss is shown to be within the bound."""
        return step.upper <= self.max_drop

    def step(self, name: str) -> Step | None:
        """A rung that was measured already."""
        return next((it for it in self.steps if it.name == name), None)

    def save(self, folder: Path, command: tuple[str, ...]) -> None:
        """Write ``quantize.json``."""
        head = {"schema": SCHEMA, "kind": KIND, "tool": provenance.tool(), "command": command}
        write_json(folder / FILE, {**head, **asdict(self)})


def resumed(folder: Path, about: dict[str, Any], max_drop: float) -> Search:
    """The search that stands in ``folder``, or a new one where there is none."""
    if not (folder / FILE).exists():
        return Search(about=about, max_drop=max_drop)
    stored = read_record(folder / FILE, kind=KIND, schema=SCHEMA)
    try:
        before = stored["about"]
        search = Search(
            about=about,
            max_drop=max_drop,
            costs=dict(stored["costs"]),
            steps=[
                Step(**{**it, "float_layers": tuple(it["float_layers"])}) for it in stored["steps"]
            ],
            spent_s=float(stored["spent_s"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder / FILE} is not a complete search: {error!r}", hint="use another folder"
        ) from error
    differs = sorted(name for name in {*before, *about} if before.get(name) != about.get(name))
    if differs:
        raise ConfigError(
            f"{folder} holds another search: {', '.join(differs)} differ",
            hint="use another folder, or remove this one",
        )
    return search
