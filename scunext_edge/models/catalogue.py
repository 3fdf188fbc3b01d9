"""Which networks there are, by name, without importing any (nor torch)."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points

from scunext_edge.errors import ConfigError

GROUP = "scunext_edge.models"
OURS = (
    *("scunext", "unext", "unext-l", "unet", "unet-paper", "resunetpp", "resunetpp-paper"),
    *("malunet", "egeunet"),
)


def names() -> tuple[str, ...]:
    """Every network that can be built here, ours first, then those of other packages."""
    return (*OURS, *sorted(name for name in foreign() if name not in OURS))


def foreign() -> dict[str, EntryPoint]:
    """Networks that other packages add by the entry point ``scunext_edge.models``."""
    return {point.name: point for point in entry_points(group=GROUP)}


def check_known(name: str) -> None:
    """Raise ``ConfigError`` unless there is a network of this name."""
    if name in names():
        return
    near = difflib.get_close_matches(name, names(), n=1)
    raise ConfigError(
        f"there is no network called {name!r}",
        hint=f"did you mean {near[0]}?" if near else f"choose one of: {', '.join(names())}",
    )
