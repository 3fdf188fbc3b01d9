"""Where the passport reads: small text files, and commands that print one answer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Protocol

ROOT = Path("/")
_PATIENCE_S = 5.0
HWMON = Path("sys/class/hwmon")
# A rail that is switched off reads -256 degrees.
_COLDEST_MILLIDEGREES = -200_000


class Ask(Protocol):
    """Runs a command and returns what it printed; null: not installed, failed or too slow.

    ``first_line`` takes one line of a command that would never end.
    """

    def __call__(self, *command: str, first_line: bool = False) -> str | None: ...


def ask(*command: str, first_line: bool = False) -> str | None:
    """Ask a tool of this machine; see :class:`Ask`. Takes some seconds at most."""
    tool = shutil.which(command[0])
    if tool is None:
        return None
    try:
        process = subprocess.Popen(
            [tool, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return None
    with process:
        limit = threading.Timer(_PATIENCE_S, process.kill)
        limit.start()
        try:
            assert process.stdout is not None
            if first_line:
                return process.stdout.readline().strip() or None
            answer = process.stdout.read().strip()
            return answer or None if process.wait() == 0 else None
        finally:
            limit.cancel()
            process.kill()


def text(path: Path) -> str | None:
    """Stripped content, null where it cannot be read; device-tree strings end in a zero byte."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip(" \n\t\0") or None
    except (OSError, ValueError):
        return None


def number(path: Path) -> int | None:
    """A whole number that is alone in its file."""
    return whole(text(path))


def whole(word: str | None) -> int | None:
    """A whole number; null for anything else."""
    return int(word) if word is not None and re.fullmatch(r"-?\d{1,20}", word) else None


def degrees(path: Path) -> float | None:
    """Degrees Celsius from a file in thousandths; null for a sensor that is switched off."""
    value = number(path)
    return value / 1000 if value is not None and value > _COLDEST_MILLIDEGREES else None


def monitors(root: Path) -> list[tuple[str, Path]]:
    """Every hardware monitor that has a name, with its folder."""
    folders = sorted((root / HWMON).glob("hwmon*"))
    return [(name, folder) for folder in folders if (name := text(folder / "name"))]


def ranges(numbers: set[int] | frozenset[int]) -> str:
    """{0, 1, 2, 5} as "0-2,5"."""
    parts: list[list[int]] = []
    for each in sorted(numbers):
        if parts and each == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], each]
        else:
            parts.append([each])
    return ",".join("-".join(map(str, part)) for part in parts)
