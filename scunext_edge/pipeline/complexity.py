"""Parameters and MACs of each network of a run, counted once and kept with its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scunext_edge import __version__, isolate
from scunext_edge.errors import ArtifactError, ScunextEdgeError
from scunext_edge.models.profile_worker import WORKER
from scunext_edge.pipeline.subjects import Subject
from scunext_edge.progress import Advance
from scunext_edge.storage import read_json, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Complexity:
    """What a report says of a network's size and cost; null: it could not be counted here."""

    model: str
    params: int | None = None
    macs_fvcore: int | None = None
    macs_torch: int | None = None
    macs_thop: int | None = None
    paper_params: str | None = None
    paper_flops: str | None = None
    note: str | None = None  # why the paper's figures differ, or why ours are missing
    counters_differ: str | None = None  # how and why fvcore and torch disagree; null: they agree

    @property
    def macs(self) -> int | None:
        """Convolutions, linear layers and matrix products; by torch's counter."""
        return self.macs_torch

    def to_json(self) -> dict[str, Any]:
        """For ``results.json``."""
        return asdict(self)


def complexities(
    subjects: Sequence[Subject], records: Path, advance: Advance
) -> dict[str, Complexity]:
    """By label. Counting needs torch, fvcore and thop; an artifact's card may hold the figures."""
    found = {}
    for done, subject in enumerate(subjects):
        advance("networks counted", done, len(subjects))
        found[subject.label] = _complexity(subject, records)
    advance("networks counted", len(subjects), len(subjects))
    return found


def _complexity(subject: Subject, records: Path) -> Complexity:
    artifact = subject.known
    options = dict(artifact.card.options) if artifact else {}
    key = {"version": __version__, "model": subject.model, "options": options, "size": subject.size}
    path = records / f"{subject.label}-{subject.size}.complexity.json"
    stored = _stored(path, key)
    if stored is not None:
        return Complexity(**stored)
    job = {name: key[name] for name in ("model", "options", "size")}
    try:
        counted = isolate.call(WORKER, job)
    except ScunextEdgeError as error:  # e.g. an ONNX file of a network that is not known here
        return _from_card(subject, str(error))
    complexity = Complexity(
        model=subject.label,
        params=counted["params"],
        macs_fvcore=counted["fvcore"]["macs"],
        macs_torch=counted["torch"]["macs"],
        macs_thop=counted["thop"]["total"],
        counters_differ=counted["difference_reason"],
        **counted["paper"],
    )
    write_json(path, {**key, "complexity": complexity.to_json()})
    return complexity


def _from_card(subject: Subject, reason: str) -> Complexity:
    """The figures that a shipped card holds, at the size that they were counted for."""
    artifact = subject.known
    held = artifact.card.details.get("complexity") if artifact else None
    if not held or held["size"] != subject.size:
        return Complexity(model=subject.label, note=f"not counted: {reason}")
    return Complexity(
        model=subject.label,
        params=held["params"],
        macs_torch=held["macs"],
        note="as counted when the weights were made",
    )


def _stored(path: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        held = read_json(path)
        same = all(held[name] == value for name, value in key.items())
        return dict(held["complexity"]) if same else None
    except (ArtifactError, KeyError, TypeError):
        return None
