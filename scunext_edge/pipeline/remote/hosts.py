"""Which machines: destinations as OpenSSH takes them, by name or from a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.errors import ConfigError

# [ssh://][user@]host[:port]. Neither part may begin with a dash, which ssh would take as an option.
_DESTINATION = re.compile(
    r"(ssh://)?([A-Za-z0-9_][\w.+-]*@)?(\w[\w.-]*|\[?[0-9A-Fa-f:.]+\]?)(:\d+)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine. ``name`` is what its column and its folder are called."""

    target: str  # for ssh
    name: str
    python: str | None = None  # its Python, where one was named for it alone


def hosts(asked: Sequence[str]) -> tuple[Host, ...]:
    """One for each destination; ``@FILE`` stands for those in a file: ``HOST [PYTHON] [# ...]``.

    A destination that ssh might read as something else, or that is there twice, is refused.
    """
    found = [_host(line) for text in asked for line in _lines(text)]
    if not found:
        raise ConfigError("no machine is named", hint="--remote user@host, or --remote @FILE")
    names = [host.name for host in found]
    for host in found:
        if names.count(host.name) > 1:
            raise ConfigError(f"{host.target} is there twice", hint="name each machine once")
    return tuple(found)


def _lines(text: str) -> Iterator[list[str]]:
    if not text.startswith("@"):
        yield [text]
        return
    try:
        lines = Path(text[1:]).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{text[1:]} cannot be read: {error}", hint="a text file, one machine a line"
        ) from error
    for line in lines:
        if words := line.partition("#")[0].split():
            yield words


def _host(words: list[str]) -> Host:
    target, *python = words
    if len(python) > 1:
        raise ConfigError(
            f"{' '.join(words)!r} is more than a machine and its Python",
            hint="HOST, or HOST PYTHON, one a line",
        )
    return Host(target=target, name=_name(target), python=python[0] if python else None)


def _name(target: str) -> str:
    if not _DESTINATION.fullmatch(target):
        raise ConfigError(
            f"{target!r} is no machine that ssh could reach",
            hint="user@host, or a name from your ssh config; options belong there too",
        )
    return re.sub(r"[^\w.@-]", "_", target.removeprefix("ssh://")).strip("_.") or "device"
