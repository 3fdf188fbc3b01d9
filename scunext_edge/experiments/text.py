"""The text of a results file: tables, and what they do and do not show."""

from __future__ import annotations

from typing import Any

from scunext_edge.experiments.results import Results


def written(found: Results) -> str:
    """Markdown."""
    return "".join(f"{one['name']}: Dice {one['dice']:.4f}\n" for one in found.trials)


def told(found: Results) -> dict[str, Any]:
    """The same as data."""
    return {"trials": len(found.trials)}
