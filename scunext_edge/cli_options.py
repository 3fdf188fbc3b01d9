"""Options that several commands have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

DataOption = Annotated[Path, typer.Option("--data", "-d", help="Folder of images and masks.")]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data, not prose.")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="CPU threads.")]


def options(pairs: list[str], *, of: str = "--option") -> dict[str, Any]:
    """``skip=false`` to ``{"skip": False}``."""
    parsed = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint=of)
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError:
            parsed[name] = value
    return parsed
