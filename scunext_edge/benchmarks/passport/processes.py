"""Which other processes were busy, by the name of the command alone."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scunext_edge.benchmarks.passport import privacy
from scunext_edge.benchmarks.passport.sources import text, whole

_MOST = 5
_LEAST_S = 0.05  # less is what any system does by itself


class Process(NamedTuple):
    """One process; its identity, (number, start), is the key that it is kept under."""

    name: str
    parent: int
    cpu_s: float


Snapshot = Mapping[tuple[int, int], Process]


def snapshot(root: Path) -> Snapshot:
    """Every process that can be seen. It is never stored: what a person runs is theirs."""
    found = {}
    for folder in (root / "proc").glob("[0-9]*"):
        # "42 (a name) S parent ...": the name may hold spaces and brackets
        start, _, rest = (text(folder / "stat") or "").rpartition(")")
        words = rest.split()
        pid = whole(folder.name)
        if pid is None or "(" not in start or len(words) < 20:
            continue
        numbers = [whole(words[index]) for index in (1, 11, 12, 19)]
        parent, user, system, began = (-1 if it is None else it for it in numbers)
        if min(user, system, began) >= 0:
            cpu_s = (user + system) / os.sysconf("SC_CLK_TCK")
            found[pid, began] = Process(start.partition("(")[2], parent, cpu_s)
    return found


def busiest(before: Snapshot, after: Snapshot, *, own: int) -> list[dict[str, Any]]:
    """Names and CPU seconds of the others, most first: neither process ``own`` nor its children.

    Processes of one name are one entry. What began and ended between the two is not seen.
    """
    ours = _family(own, before) | _family(own, after)
    spent: defaultdict[str, float] = defaultdict(float)
    for key, process in after.items():
        if key[0] not in ours:
            earlier = before[key].cpu_s if key in before else 0.0
            spent[_shown(process.name)] += max(0.0, process.cpu_s - earlier)
    return [
        {"name": name, "cpu_s": round(seconds, 2)}
        for name, seconds in sorted(spent.items(), key=lambda item: -item[1])[:_MOST]
        if seconds >= _LEAST_S
    ]


def _family(pid: int, processes: Snapshot) -> set[int]:
    children: dict[int, list[int]] = {}
    for (child, _), process in processes.items():
        children.setdefault(process.parent, []).append(child)
    found, waiting = {pid}, [pid]
    while waiting:
        new = [child for child in children.get(waiting.pop(), ()) if child not in found]
        found.update(new)
        waiting += new
    return found


def _shown(name: str) -> str:
    """Threads of the kernel are numbered ("kworker/0:1"); a name of a person is left out."""
    return privacy.harmless(name.partition("/")[0]) or "(not shown)"
