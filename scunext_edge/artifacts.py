"""Artifact: a directory with one model and its card. Save, load, verify; knows no engine."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from scunext_edge import __version__
from scunext_edge.errors import ArtifactError
from scunext_edge.spec import Format, ModelSpec, Precision
from scunext_edge.storage import new_directory, read_json, sha256_of, write_json

# 1: first form
SCHEMA = 1
CARD = "card.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What an artifact says about itself; everything but its bytes."""

    model: str  # name in the registry of networks
    options: Mapping[str, Any] = field(default_factory=dict)  # e.g. {"skip": True, "fuse": True}
    format: Format
    precision: Precision
    spec: ModelSpec
    quantizer: str | None = None  # "qdq", "nncf"; null: not quantized
    parent: str | None = None  # id of the artifact this one was made from
    built_for: Mapping[str, str] = field(default_factory=dict)  # empty: runs anywhere
    details: Mapping[str, Any] = field(default_factory=dict)  # training, calibration, parity, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A directory with one model and its card. What it *is* depends on its bytes alone."""

    directory: Path
    card: Card
    digests: Mapping[str, str]  # file name -> sha256

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of a hash over names and digests of the files."""
        content = json.dumps(sorted(self.digests.items()))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def spec(self) -> ModelSpec:
        """What the model takes and gives."""
        return self.card.spec

    @property
    def size_bytes(self) -> int:
        """Bytes of all model files together, without what only describes them (JSON)."""
        names = [name for name in self.digests if not name.endswith(".json")]
        return sum((self.directory / name).stat().st_size for name in names)

    def file(self, suffix: str) -> Path:
        """The one model file with this suffix, e.g. ``.onnx``."""
        names = [name for name in self.digests if name.endswith(suffix)]
        if len(names) != 1:
            raise ArtifactError(
                f"{self.directory} holds {len(names)} {suffix} files, not one",
                hint=f"its format is {self.card.format}, its files: "
                + ", ".join(sorted(self.digests)),
            )
        return self.directory / names[0]

    def verify(self) -> None:
        """Raise unless every file is present and unaltered."""
        for name, digest in self.digests.items():
            path = self.directory / name
            if not path.is_file():
                raise ArtifactError(f"{path} is missing", hint="export it again")
            if sha256_of(path) != digest:
                raise ArtifactError(f"{path} was altered after export", hint="export it again")


def left_out(card: Card) -> frozenset[str]:
    """Images that training was kept away from, since they look like ones that are scored."""
    training = card.details.get("training") or {}
    return frozenset(training.get("data", {}).get("left_out", ()))


@contextlib.contextmanager
def new_artifact(directory: Path, card: Card) -> Iterator[Path]:
    """Yield a temporary directory to put model files into; it becomes the artifact at the end.

    Every file in it is hashed and written into ``card.json``. If the block raises, nothing is
    left behind and what stood at ``directory`` is untouched. Read it with :func:`load`.
    """
    with new_directory(directory) as temporary:
        yield temporary
        digests = {path.name: sha256_of(path) for path in sorted(temporary.iterdir())}
        write_json(
            temporary / CARD,
            {
                "schema": SCHEMA,
                "tool": {"name": "scunext-edge", "version": __version__},
                **asdict(card),
                "digests": digests,
            },
        )


def load(directory: Path) -> Artifact:
    """Read an artifact's card and check every file against it.

    ``directory`` may also be the path of a model file inside it, or of the card.
    """
    root = directory if directory.is_dir() else directory.parent
    if not directory.exists() or not (root / CARD).is_file():
        raise ArtifactError(
            f"{directory} is no artifact: there is no {CARD}",
            hint="an artifact is a directory that `scunext-edge export` or `train` wrote",
        )
    artifact = _from_json(root, read_json(root / CARD))
    artifact.verify()
    return artifact


def _from_json(root: Path, data: Any) -> Artifact:
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise ArtifactError(
            f"{root / CARD} has schema {found!r}; this version reads {SCHEMA}",
            hint="it was written by another version of scunext-edge, or is not a card",
        )
    try:
        card = Card(
            model=str(data["model"]),
            options=dict(data["options"]),
            format=_one_of(data["format"], get_args(Format)),
            precision=_one_of(data["precision"], get_args(Precision)),
            spec=ModelSpec.from_json(data["spec"]),
            quantizer=data["quantizer"],
            parent=data["parent"],
            built_for=dict(data["built_for"]),
            details=dict(data["details"]),
        )
        digests = {_plain_name(name): str(digest) for name, digest in data["digests"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{root / CARD} is not a complete card: {error!r}") from error
    if not digests:
        raise ArtifactError(f"{root / CARD} names no model file")
    return Artifact(directory=root, card=card, digests=digests)


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {allowed}")
    return value


def _plain_name(name: str) -> str:
    if Path(name).name != name or name in {"", ".", ".."}:
        raise ValueError(f"{name!r} is no plain file name")
    return name
