"""An exported model's files and card become an artifact, once nothing can fail any more."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scunext_edge import artifacts
from scunext_edge.artifacts import Artifact, Card, new_artifact
from scunext_edge.data.calibration import MANIFEST
from scunext_edge.errors import ConfigError
from scunext_edge.storage import storage_errors

MODEL = "model.onnx"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for what packages can only write to files, gone at the end of the block."""
    with contextlib.ExitStack() as stack:
        with storage_errors(Path(tempfile.gettempdir())):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="scunext-edge-"))
        yield Path(folder)


def write(out: Path, card: Card, files: Mapping[str, bytes]) -> Artifact:
    """Write an artifact as a whole or not at all."""
    with new_artifact(out, card) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
    return artifacts.load(out)


def inherited(parent: Artifact) -> dict[str, Any]:
    """Details that stay true of whatever is made from ``parent``: where the weights come from."""
    details = parent.card.details
    names = ("training", "tuning", "note", "calibration")
    kept = {name: details[name] for name in names if name in details}
    return {**kept, "checkpoint": details.get("checkpoint", parent.id)}


def proofs(parent: Artifact) -> dict[str, bytes]:
    """Files that stay with whatever is made from ``parent``: which images set its ranges."""
    path = parent.directory / MANIFEST
    return {MANIFEST: path.read_bytes()} if MANIFEST in parent.digests else {}


def require(artifact: Artifact, *, format: str, precision: str, wanted_by: str) -> None:
    """Raise ``ConfigError`` unless ``artifact`` is of this format and precision."""
    card = artifact.card
    if (card.format, card.precision) != (format, precision):
        raise ConfigError(
            f"{wanted_by} starts from {format} {precision}, "
            f"and {artifact.directory} is {card.format} {card.precision}",
            hint=f"scunext-edge export CHECKPOINT --to {format} -p {precision}",
        )
