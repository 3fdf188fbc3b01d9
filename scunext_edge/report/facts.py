"""Stored mappings (the machine, the data, the tool) as pairs of words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from scunext_edge.report import numbers
from scunext_edge.report.records import Run

_SPELLED = {"cpu": "CPU", "gpu": "GPU", "os": "OS", "id": "ID", "ram": "RAM", "mb": "MB"}
_UNITS: Mapping[str, Callable[[float], str]] = {
    "_bytes": numbers.size,
    "_khz": lambda value: f"{value / 1e6:.2f} GHz",
    "_mhz": lambda value: f"{value:g} MHz",
    "_c": lambda value: f"{value:g} \N{DEGREE SIGN}C",
    "_mw": lambda value: f"{value / 1e3:g} W",
    "_w": lambda value: f"{value:g} W",
}


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
    return [(label(key), text(key, value)) for key, value in mapping.items()]


def when(moment: str) -> str:
    """``2026-11-25 14:11 UTC``; what is no moment stays as it is."""
    try:
        found = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return moment
    return f"{found.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC" if found.tzinfo else moment


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


def label(key: str) -> str:
    """A key as words, without the unit that its value is shown with."""
    words = [_SPELLED.get(word, word) for word in key.removesuffix(_unit(key) or "").split("_")]
    return " ".join(words)


def text(key: str, value: Any) -> str | None:
    """A value with its unit; ``None`` where the run could not tell."""
    if value is None or value == "" or value == [] or value == {}:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        inner = ((label(name), text(name, each)) for name, each in value.items())
        return ", ".join(f"{name} {each or 'not known'}" for name, each in inner)
    if isinstance(value, list | tuple):
        return ", ".join(text(key, each) or "not known" for each in value)
    if isinstance(value, int | float) and (unit := _unit(key)):
        return _UNITS[unit](value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _unit(key: str) -> str | None:
    return next((unit for unit in _UNITS if key.endswith(unit)), None)


def _harness(cost: float | Mapping[str, float]) -> str:
    if isinstance(cost, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {each:.0f} ns" for name, each in cost.items())
    return f"{cost:.0f} ns per value"
