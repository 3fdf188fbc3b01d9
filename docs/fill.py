"""Numbers in the documents: written from stored records, so that none is typed by hand.

``python docs/fill.py`` renders every block of the form ::

    <!-- from: RECORD as VIEW -->
    ...
    <!-- end -->

in README.md and docs/ from its record; ``python docs/fill.py --check`` changes nothing, and ends
with 1 if a block says anything else than its record. RECORD is a path from the root of the
repository, in which ``*`` may stand for any name; VIEW is a key of ``VIEWS`` in ``views.py``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

from views import VIEWS  # noqa: E402

_BLOCK = re.compile(
    r"<!-- from: (?P<record>\S+) as (?P<view>[\w-]+)(?:, first (?P<lines>\d+) lines)? -->\n"
    r"(?P<body>.*?)"
    r"<!-- end -->",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part of a document that is made from records."""

    record: str  # as the document names it
    view: str
    lines: int | None  # of a transcript: how many are shown
    body: str

    def render(self, root: Path) -> str:
        """What the block has to say; without a record, that there is none."""
        paths = sorted(root.glob(self.record))
        if not paths:
            return f"*No record yet: `{self.record}`.*\n"
        return VIEWS[self.view](paths, self.lines) + "\n"


def documents(root: Path) -> list[Path]:
    """Every document that may hold blocks."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a document, in order."""
    for match in _BLOCK.finditer(text):
        yield _block(match)


def filled(text: str, root: Path) -> str:
    """The document with every block rendered anew."""

    def replace(match: re.Match[str]) -> str:
        head = match.group(0).partition("\n")[0]
        return f"{head}\n{_block(match).render(root)}<!-- end -->"

    return _BLOCK.sub(replace, text)


def _block(match: re.Match[str]) -> Block:
    lines = match["lines"]
    return Block(
        record=match["record"],
        view=match["view"],
        lines=int(lines) if lines else None,
        body=match["body"],
    )


def main(arguments: Sequence[str]) -> int:
    """Write, or with ``--check`` only compare; 1 where something differed from its record."""
    check, differing = "--check" in arguments, []
    for document in documents(ROOT):
        text = document.read_text(encoding="utf-8")
        wanted = filled(text, ROOT)
        if wanted == text:
            continue
        differing.append(document)
        if not check:
            document.write_text(wanted, encoding="utf-8")
    for document in differing:
        verb = "differs from its records" if check else "written"
        sys.stdout.write(f"{document.relative_to(ROOT)}: {verb}\n")
    return 1 if check and differing else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
