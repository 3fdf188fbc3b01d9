"""What views are written with: tables, terminals, numbers."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

WIDTH = 100  # columns of a terminal


def only_record(paths: Sequence[Path]) -> dict[str, Any]:
    (path,) = paths
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def console(text: str) -> str:
    """A terminal of ``WIDTH`` columns, which breaks what is longer."""
    wrapped = (
        textwrap.fill(line, WIDTH, drop_whitespace=False, break_on_hyphens=False)
        if len(line) > WIDTH
        else line
        for line in text.split("\n")
    )
    broken = "\n".join(line.rstrip() for whole in wrapped for line in whole.split("\n"))
    return f"```console\n{broken}\n```"


def number(value: float | None, form: Callable[[float], str]) -> str:
    return "" if value is None else form(value)


def plain(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
