"""Stored mappings (the machine, the data, the tool) as pairs of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scunext_edge.report import numbers
from scunext_edge.report.records import Run

_SPELLED = {"cpu": "CPU", "gpu": "GPU", "os": "OS", "id": "ID", "ram": "RAM", "mb": "MB"}


def machine(run: Run) -> list[tuple[str, str | None]]:
    """The environment, and what the harness itself costs."""
    pairs = facts(run.environment)
    if run.harness_cost_ns is not None:
        pairs.append(("cost of the harness itself", _harness(run.harness_cost_ns)))
    return pairs


def data(run: Run) -> list[tuple[str, str | None]]:
    """The images that were scored."""
    return facts(run.data)


def facts(mapping: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """One pair per key; ``None`` where the run could not tell."""
    return [(_label(key), _text(key, value)) for key, value in mapping.items()]


def licence_caution(run: Run) -> str:
    """What to mind before passing on a report that shows pictures of the data."""
    licence = str(run.data.get("licence") or "")
    if not licence:
        return (
            "The licence of the images is not recorded here: find out whether they may be "
            "passed on before you pass on this file."
        )
    if "NC" in licence.upper():
        return (
            f"The images are under {licence}: this file shows some of them, so it must not be "
            "passed on commercially, and the source has to be named."
        )
    return f"The images are under {licence}; mind its terms when you pass on this file."


def _label(key: str) -> str:
    words = [_SPELLED.get(word, word) for word in key.removesuffix("_bytes").split("_")]
    return " ".join(words)


def _text(key: str, value: Any) -> str | None:
    if value is None or value == "" or value == [] or value == {}:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        inner = ((_label(name), _text(name, each)) for name, each in value.items())
        return ", ".join(f"{name} {each or 'not known'}" for name, each in inner)
    if isinstance(value, list | tuple):
        return ", ".join(_text(key, each) or "not known" for each in value)
    if isinstance(value, int | float) and key.endswith("_bytes"):
        return numbers.size(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _harness(cost: float | Mapping[str, float]) -> str:
    if isinstance(cost, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {each:.0f} ns" for name, each in cost.items())
    return f"{cost:.0f} ns per value"
