"""What a benchmark is about: a network by name, shipped or untrained, or a user's own artifact."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scunext_edge.artifacts import CARD, Artifact, load
from scunext_edge.errors import ConfigError
from scunext_edge.models import catalogue
from scunext_edge.spec import check_size
from scunext_edge.weights import shipped

DEFAULT_MODELS = ("scunext", "unext", "unet", "resunetpp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One network at one input size, with whatever forms of it exist already."""

    label: str  # in rows and file names
    model: str
    size: int
    trained: bool
    checkpoint: Artifact | None = None
    onnx_fp32: Artifact | None = None
    onnx_int8: Artifact | None = None
    native: Mapping[str, Artifact] = field(default_factory=dict)  # by precision

    @property
    def known(self) -> Artifact | None:
        """The form that tells most about the network, if there is any yet."""
        return self.checkpoint or self.onnx_fp32


def resolve(names: Sequence[str], size: int | None) -> list[Subject]:
    """A subject for each name or path; two of the same network get labels of their own."""
    subjects = [_resolve(name, size) for name in names]
    labels = [subject.label for subject in subjects]
    subjects = [
        subject if labels.count(subject.label) == 1 else replace(subject, label=_distinct(subject))
        for subject in subjects
    ]
    labels = [subject.label for subject in subjects]
    for name, label in zip(names, labels, strict=True):
        if labels.count(label) > 1:
            raise ConfigError(f"{name!r} is asked for twice", hint="name each network once")
    return subjects


def _resolve(name: str, size: int | None) -> Subject:
    """A network's name wins over a folder of that name, for which there is ``./name``."""
    path = Path(name)
    if name in shipped.names():
        return _from_package(name, size)
    if path.suffix or _has_separator(name) or _is_unknown_artifact(name, path):
        return _from_artifact(load(path), size)
    catalogue.check_known(name)
    wanted = check_size(256 if size is None else size)
    return Subject(label=name, model=name, size=wanted, trained=False)


def _from_artifact(artifact: Artifact, size: int | None) -> Subject:
    card = artifact.card
    wanted = check_size(card.spec.size if size is None else size)
    subject = Subject(
        label=card.model, model=card.model, size=wanted, trained=_is_trained(artifact)
    )
    if card.format == "safetensors":
        return replace(subject, checkpoint=artifact)
    if (card.format, card.precision) == ("onnx", "fp32") and card.spec.size == wanted:
        return replace(subject, onnx_fp32=artifact)
    raise ConfigError(
        f"{artifact.directory} is {card.format} {card.precision} at {card.spec.size}: a benchmark "
        f"at {wanted} starts from what all its rows can be made from",
        hint="give a checkpoint (safetensors), or an ONNX fp32 artifact of that size",
    )


def _from_package(name: str, size: int | None) -> Subject:
    checkpoint = shipped.shipped(name, "checkpoint")
    trained_at = checkpoint.spec.size
    subject = Subject(
        label=name,
        model=checkpoint.card.model,
        size=check_size(trained_at if size is None else size),
        trained=True,
        checkpoint=checkpoint,
    )
    if subject.size != trained_at:
        return subject
    return replace(
        subject,
        onnx_fp32=shipped.shipped(name, "onnx-fp32"),
        onnx_int8=shipped.shipped(name, "onnx-int8"),
        native={
            "fp32": shipped.shipped(name, "native-fp32"),
            "int8": shipped.shipped(name, "native-int8"),
        },
    )


def _has_separator(name: str) -> bool:
    return any(separator in name for separator in {"/", os.sep})


def _is_unknown_artifact(name: str, path: Path) -> bool:
    return name not in catalogue.names() and (path / CARD).exists()


def _is_trained(artifact: Artifact) -> bool:
    return artifact.card.details.get("training", {}) is not None


def _distinct(subject: Subject) -> str:
    return f"{subject.label}-{subject.known.id[:6]}" if subject.known else subject.label
