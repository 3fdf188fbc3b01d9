"""A record is passed on: it names a machine by what it is, and nobody by anything."""

from __future__ import annotations

import getpass
import platform


def harmless(name: str | None) -> str | None:
    """The name, or null if the user's or the host's stands in it."""
    if name is None or any(word in name.casefold() for word in _personal()):
        return None
    return name


def _personal() -> list[str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user without an entry in the system's list
        user = ""
    names = [word.casefold() for word in (user, platform.node().split(".")[0])]
    # "root" and the like are nobody's name, and one or two letters stand in everything.
    return [name for name in names if len(name) > 2 and name not in {"root", "user", "localhost"}]
