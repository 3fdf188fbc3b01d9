"""Which version of this package made a file: name, version, and the commit of its checkout."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from scunext_edge import __version__


def tool() -> dict[str, str | None]:
    """Name, version and commit; the commit is null for an installed package."""
    return {"name": "scunext-edge", "version": __version__, "commit": commit()}


@cache
def commit() -> str | None:
    """The commit of the checkout that this package runs from; ``-dirty`` if its code differs."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "scunext_edge")
    return f"{head}-dirty" if head and changed else head


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None
