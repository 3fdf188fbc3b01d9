"""What made a file: name, version and commit of this package, and a digest of what code means."""

from __future__ import annotations

import ast
import hashlib
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from scunext_edge import __version__

_WORDLESS = {"annotation", "returns", "type_comment", "type_ignores", "type_params", "kind"}


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


def digest_of(sources: Iterable[str]) -> str:
    """16 hexadecimal digits over the meaning of Python sources, in their order.

    Comments, docstrings, annotations and format do not count.
    """
    total = hashlib.sha256()
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [each for each in body if not _says_nothing(each)]  # type: ignore[attr-defined]
        total.update(_told(tree).encode() + b"\n")
    return total.hexdigest()[:16]


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None


def _says_nothing(node: ast.AST) -> bool:
    """A docstring, or another constant that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _told(node: object) -> str:
    """A tree as text that no release of Python changes: empty fields are left out."""
    if isinstance(node, ast.AST):
        parts = [
            f"{name}={_told(value)}"
            for name, value in ast.iter_fields(node)
            if value not in (None, []) and name not in _WORDLESS
        ]
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(map(_told, node))}]"
    return repr(node)
