"""Limits of what a mask may rest on: for one network, from one data set, with their error rates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import ArtifactError
from scunext_edge.quality.domain import Domain
from scunext_edge.quality.flags import FLAGS
from scunext_edge.storage import read_record, write_json

# 1: first form
SCHEMA = 1
KIND = "quality-limits"
FILE = "quality.json"
_LOOKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """One limit for every flag of ``assess.FLAGS``, and what they rest on."""

    model: str
    checkpoint: str  # id of the artifact that every form of the network was made from
    size: int  # side of the pictures that were measured
    limits: Mapping[str, float]  # name of a flag: the last value that is fine
    domain: Domain
    set_on: Mapping[str, Any]  # name, parts and hash of the images
    rule: Mapping[str, Any]
    error_rates: Mapping[str, Any]

    def fit(self, artifact: Artifact) -> bool:
        """Whether they are about this form of a network."""
        of = artifact.card.details.get("checkpoint")
        return self.checkpoint in (of, artifact.id) and self.size == artifact.spec.size

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        return {"schema": SCHEMA, "kind": KIND, **asdict(self)}

    @property
    def id(self) -> str:
        """SHA-256 of the content, however the file is laid out."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def save_limits(path: Path, limits: Limits) -> None:
    """Write them, whole or not at all."""
    write_json(path, limits.to_json())


def load_limits(path: Path) -> Limits:
    """Read what ``save_limits`` wrote; anything else is an ``ArtifactError``."""
    content = read_record(path, kind=KIND, schema=SCHEMA)
    try:
        domain = Domain(
            mean=tuple(float(it) for it in content["domain"]["mean"]),
            inverse=tuple(tuple(float(it) for it in row) for row in content["domain"]["inverse"]),
        )
        if {len(domain.mean), len(domain.inverse), *map(len, domain.inverse)} != {_LOOKS}:
            raise ValueError(f"the domain is not of {_LOOKS} numbers")
        return Limits(
            model=str(content["model"]),
            checkpoint=str(content["checkpoint"]),
            size=int(content["size"]),
            limits={rule.name: float(content["limits"][rule.name]) for rule in FLAGS},
            domain=domain,
            set_on=dict(content["set_on"]),
            rule=dict(content["rule"]),
            error_rates=dict(content["error_rates"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path} holds no complete limits: {error!r}",
            hint="make them anew: python -m scunext_edge.pipeline.quality",
        ) from error
