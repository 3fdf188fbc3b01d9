"""Reasons not to trust a number, and other sentences about rows, once for the whole report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scunext_edge.results import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A doubt or a finding in words, its number, and the rows (by index) that carry it."""

    number: int
    text: str
    rows: Sequence[int]


def number_doubts(rows: Sequence[Row]) -> list[Doubt]:
    """Each doubt once, in the order in which they first appear."""
    return _numbered([row.doubts for row in rows])


def number_findings(rows: Sequence[Row]) -> list[Doubt]:
    """The same of what a scenario, a cold start or a meter found."""
    return _numbered([row.findings for row in rows])


def _numbered(sentences: Sequence[Sequence[str]]) -> list[Doubt]:
    found: dict[str, list[int]] = {}
    for index, texts in enumerate(sentences):
        for text in dict.fromkeys(texts):
            found.setdefault(text, []).append(index)
    return [
        Doubt(number=number, text=text, rows=tuple(indices))
        for number, (text, indices) in enumerate(found.items(), start=1)
    ]


def doubts_of(index: int, doubts: Sequence[Doubt]) -> list[int]:
    """The numbers of the doubts that one row carries."""
    return [doubt.number for doubt in doubts if index in doubt.rows]
