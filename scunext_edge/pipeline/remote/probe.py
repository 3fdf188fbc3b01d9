"""What a device has: a Python that is new enough, its packages, its processor. One connection."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scunext_edge.errors import BackendUnavailable, MeasurementError
from scunext_edge.pipeline.remote import look
from scunext_edge.pipeline.remote.ssh import Link, LinkLost, boot, last, unreachable

OLDEST_PYTHON = (3, 10)
_SOURCE = Path(look.__file__).read_bytes()
_CANDIDATES = ("python3", *(f"python3.{minor}" for minor in range(14, OLDEST_PYTHON[1] - 1, -1)))
# 3: too old; another failure after the version was said: something that is needed is lacking
_TRY = (
    'import sys; sys.stdout.write("%d.%d.%d" % sys.version_info[:3]); '
    f"sys.version_info < {OLDEST_PYTHON} and sys.exit(3); import {', '.join(look.NEEDED)}"
)
# The first that has everything, else the first that is new enough, is what tells more.
_SCRIPT = f"""
old= bare=
for name in "$@"; do
  case $name in "~/"*) name=$HOME/${{name#"~/"}} ;; esac
  path=$(command -v "$name" 2>/dev/null) || continue
  version=$("$path" -c {shlex.quote(_TRY)} </dev/null 2>/dev/null)
  case $? in
    0) exec "$path" -c {shlex.quote(boot(_SOURCE))} "$path" ;;
    3) old="$old $version" ;;
    *) [ -z "$version" ] || bare=${{bare:-$path}} ;;
  esac
done
[ -z "$bare" ] || exec "$bare" -c {shlex.quote(boot(_SOURCE))} "$bare"
echo '{look.MARK}{{"old": "'$old'"}}'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A device that the runner can run on."""

    python: str  # what a connection starts
    worker_python: str  # what that one starts
    version: str
    system: str  # as platform.system() says it
    architecture: str
    packages: Sequence[str]  # of those that matter, which can be imported
    machine_id: str  # a hash; the same for two names of one machine
    emulated: bool | None


def probe(link: Link, python: str | None = None) -> Facts:
    """Look at a device. One without a usable Python is refused in words, with the remedy.

    ``python`` is taken instead of looking for one.
    """
    names = (python,) if python else _CANDIDATES
    try:
        told = last(link.shell(_SCRIPT, *names, payload=_SOURCE), link.host)
    except LinkLost as lost:
        raise unreachable(link.host, lost) from lost
    if "old" in told:
        raise _no_python(link, str(told["old"]).split(), python)
    facts = _facts(told, link)
    missing = [name for name in look.NEEDED if name not in facts.packages]
    if missing:
        raise BackendUnavailable(
            f"{link.host.name}: Python {facts.version} there has no "
            f"{' and no '.join('pillow' if name == 'PIL' else name for name in missing)}",
            hint=f"there: {facts.python} -m pip install numpy pillow; or name another Python with "
            "--remote-python",
        )
    return facts


def _facts(told: Mapping[str, Any], link: Link) -> Facts:
    try:
        return Facts(**told)
    except TypeError as error:
        raise MeasurementError(f"{link.host.name} does not say what it is: {error}") from error


def _no_python(link: Link, old: list[str], python: str | None) -> BackendUnavailable:
    needed = ".".join(map(str, OLDEST_PYTHON))
    what = f"{python} does not run there" if python else "there is no Python 3 on its PATH"
    if old:
        versions = ", ".join(dict.fromkeys(old))
        what = f"its Python is {versions}, and {needed} is the oldest that will do"
    return BackendUnavailable(
        f"{link.host.name}: {what}",
        hint=f"install Python {needed} or later there, or name one with --remote-python PATH",
    )
