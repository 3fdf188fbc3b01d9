"""A digest of the code that decides a trial's numbers: the same after a new comment or format.

A commit changes with every document. What counts is what a trial computes with: the shared modules
below, those of its network, and the network's line in the registry, as ``provenance.digest_of``
reads them. Codes that were shown to compute the same stand in ``same_code.toml``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from scunext_edge.experiments.protocol import shipped_toml
from scunext_edge.provenance import digest_of

ROOT = Path(__file__).resolve().parent.parent
# What only loads, logs or stores is not among them; that a picture decodes to the same pixels is
# held by tests of its own.
SHARED = (
    "data/preprocess.py",
    "metrics.py",
    "models/contract.py",
    "training/batches.py",
    "training/colour.py",
    "training/geometry.py",
    "training/losses.py",
    "training/passes.py",
    "training/restoring.py",
    "training/sampling.py",
    "training/schedule.py",
    "training/sides.py",
    "training/step.py",
    "training/teacher.py",
)
_NETWORK = re.compile(r"^from scunext_edge\.models\.(\w+) import", re.MULTILINE)


@cache
def code_digest(model: str) -> str:
    """16 hexadecimal digits. Of another package's network, only what is shared counts."""
    names = sorted({*SHARED, *_network(model)})
    sources = [(ROOT / name).read_text(encoding="utf-8") for name in names]
    return digest_of([*sources, _registered(model)])


def is_same(one: str, other: str) -> bool:
    """Whether two digests are of code that computes the same."""
    groups = [set(entry["digests"]) for entry in shipped_toml("same_code.toml")["same"]]
    return one == other or any({one, other} <= group for group in groups)


def kinds(digests: Iterable[str]) -> int:
    """How many codes that compute differently are among these digests."""
    apart: list[str] = []
    for digest in digests:
        if not any(is_same(digest, known) for known in apart):
            apart.append(digest)
    return len(apart)


def _network(model: str) -> Iterator[str]:
    """The files of a network of ours: its module and those that it imports from beside it."""
    waiting = [model.removesuffix("-paper").removesuffix("-l")]
    found: set[str] = set()
    while waiting:
        name = f"models/{waiting.pop()}.py"
        if name in found or not (ROOT / name).is_file():
            continue
        found.add(name)
        waiting += _NETWORK.findall((ROOT / name).read_text(encoding="utf-8"))
    yield from found


def _registered(model: str) -> str:
    """What the registry builds under this name, as source; nothing for a foreign network."""
    tree = ast.parse((ROOT / "models/registry.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == model:
                    return ast.unparse(value)
    return ""
