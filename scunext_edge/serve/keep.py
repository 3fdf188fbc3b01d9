"""Pictures and answers in a folder, where somebody has asked for that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scunext_edge.storage import new_directory, storage_errors


def open_folder(folder: Path) -> None:
    """Make it, for this account alone: pictures of patients lie in it."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)


def keep(folder: Path, name: str, picture: bytes, mask: bytes, answer: Mapping[str, Any]) -> None:
    """``NAME/{picture, mask.png, answer.json}``: all three or none; else a ``StorageError``."""
    with new_directory(folder / name) as out:
        (out / "picture").write_bytes(picture)
        (out / "mask.png").write_bytes(mask)
        (out / "answer.json").write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
