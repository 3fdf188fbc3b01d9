"""What a bundle says of itself in ``bundle.json``: its ladder of forms, and their limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from scunext_edge.deploy.manifest import MANIFEST
from scunext_edge.deploy.verify import id_of
from scunext_edge.errors import ArtifactError
from scunext_edge.storage import read_record

# 1: first form
SCHEMA = 1
KIND = "bundle"
BUNDLE = "bundle.json"
GOLDEN_IMAGES = "golden/images"
GOLDEN_MASKS = "golden/masks"

Gate = Literal["passed", "reference", "failed", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A form of the network on an engine; the ladder lists them, INT8 first."""

    name: str  # e.g. "native-int8"; also that of its folders
    backend: str
    device: str
    threads: int
    precision: str
    quantizer: str | None
    artifact_id: str  # of what is in ``models/NAME``
    gate: Gate
    gate_of: str | None  # what was gated in its place; null: this form on this engine
    claim_ms: float | None  # median time of the network alone where it was measured
    stability: str | None
    most_flipped: float  # share of a golden mask's pixels that may differ

    @property
    def model(self) -> str:
        """The folder of its artifact."""
        return f"models/{self.name}"

    @property
    def masks(self) -> str:
        """The folder of its golden masks."""
        return f"{GOLDEN_MASKS}/{self.name}"

    @property
    def is_built_on_device(self) -> bool:
        """Whether what is bundled is a source, and the engine file is made at the first start."""
        return self.backend == "tensorrt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle as its maker described it; whether that is true, :mod:`verify` says."""

    directory: Path
    id: str
    target: str
    model: str
    golden: tuple[str, ...]  # file names in ``golden/images``
    rungs: tuple[Rung, ...]
    limit_ms: float | None  # that one image may take, from bytes to mask; null: in a page
    allow_failed: bool


def describe(
    *,
    target: str,
    model: str,
    golden: tuple[str, ...],
    rungs: tuple[Rung, ...],
    limit_ms: float | None,
    allow_failed: bool,
) -> dict[str, Any]:
    """The content of ``bundle.json``, for the maker to complete."""
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "target": target,
        "model": model,
        "golden": list(golden),
        "rungs": [asdict(rung) for rung in rungs],
        "limit_ms": limit_ms,
        "allow_failed": allow_failed,
    }


def read(directory: Path) -> Bundle:
    """Read a bundle's description. One that is missing or incomplete is an ``ArtifactError``."""
    content = read_record(directory / BUNDLE, kind=KIND, schema=SCHEMA)
    try:
        return Bundle(
            directory=directory,
            id=id_of((directory / MANIFEST).read_bytes()),
            target=str(content["target"]),
            model=str(content["model"]),
            golden=tuple(content["golden"]),
            rungs=tuple(rung_from_json(rung) for rung in content["rungs"]),
            limit_ms=None if content["limit_ms"] is None else float(content["limit_ms"]),
            allow_failed=bool(content["allow_failed"]),
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ArtifactError(
            f"{directory / BUNDLE} describes no whole bundle: {error!r}",
            hint="copy the bundle again, and check it with `scunext-edge bundle verify`",
        ) from error


def rung_from_json(fields: Mapping[str, Any]) -> Rung:
    """Read what ``dataclasses.asdict`` wrote."""
    rung = Rung(**fields)
    if rung.gate not in get_args(Gate):
        raise ValueError(f"a gate that says {rung.gate!r}")
    return rung
