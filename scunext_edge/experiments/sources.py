"""A digest of the code that decides a trial's numbers: the same after a new comment or format.

A commit changes with every document. What counts is what a trial computes with: the modules
below, without comments, docstrings and annotations of variables.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What only loads, logs or stores is not among them.
DECISIVE = (
    "data/images.py",
    "data/preprocess.py",
    "metrics.py",
    "models/blocks.py",
    "models/contract.py",
    "models/resunetpp.py",
    "models/scunext.py",
    "models/unet.py",
    "models/unext.py",
    "training/batches.py",
    "training/losses.py",
    "training/step.py",
)


@cache
def code_digest() -> str:
    """16 hexadecimal digits."""
    return digest_of((ROOT / name).read_text(encoding="utf-8") for name in DECISIVE)


def digest_of(sources: Iterable[str]) -> str:
    """16 hexadecimal digits over the meaning of Python sources, in their order."""
    total = hashlib.sha256()
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [each for each in body if not _says_nothing(each)]  # type: ignore[attr-defined]
        total.update(_told(tree).encode() + b"\n")
    return total.hexdigest()[:16]


def _says_nothing(node: ast.AST) -> bool:
    """A docstring, or another constant that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _told(node: object) -> str:
    """A tree as text that no release of Python changes: empty fields are left out."""
    if isinstance(node, ast.AST):
        parts = [
            f"{name}={_told(value)}"
            for name, value in ast.iter_fields(node)
            if value not in (None, []) and name not in _UNIMPORTANT
        ]
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(map(_told, node))}]"
    return repr(node)


_UNIMPORTANT = {"annotation", "returns", "type_comment", "type_ignores", "type_params", "kind"}
