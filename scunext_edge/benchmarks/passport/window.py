"""The passport of a measurement: the machine, and its state before and after.

Nothing here is ever called while time is taken: reading sensors disturbs what is measured.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks.passport import (
    gpu,
    jetson,
    limits,
    processes,
    processor,
    raspberry,
    system,
)
from scunext_edge.benchmarks.passport.packages import versions
from scunext_edge.benchmarks.passport.sources import ROOT, Ask, ask


def machine(root: Path = ROOT, *, ask: Ask = ask) -> dict[str, Any]:
    """What does not change between two runs. Unknown is null; nothing names a user or a host."""
    return {
        **processor.identity(root),
        **system.identity(root),
        **limits.identity(root),
        **jetson.identity(root),
        **gpu.identity(ask),
    }


def conditions(root: Path = ROOT, *, ask: Ask = ask) -> dict[str, Any]:
    """What does: load, clocks, heat, throttling, power. Sums count from some start.

    On a Jetson a second or two, for tegrastats; elsewhere some milliseconds.
    """
    return {
        **system.state(root),
        **processor.state(root),
        **limits.state(root),
        "gpus": gpu.state(),
        "jetson": jetson.state(root, ask),
        "raspberry_pi": raspberry.state(root, ask),
    }


class Window:
    """Opened before a measurement, closed after it.

    Two calls of :func:`conditions` would do, but for the processes that ran beside it: who ran
    is the difference of two lists that no record should hold.
    """

    def __init__(self, root: Path = ROOT, *, ask: Ask = ask) -> None:
        self._root = root
        self._ask = ask
        # Counters last, and in ``close`` first: what the sensors take is not in between.
        state = conditions(root, ask=ask)
        self._processes = processes.snapshot(root)
        self._before = {**state, **system.state(root)}

    def close(self) -> dict[str, Any]:
        """{"before": ..., "after": ..., "versions": ...}, fit for ``Run.environment``.

        "after" tells under ``foreign_processes`` who else was busy, by name and CPU seconds.
        """
        now = processes.snapshot(self._root)
        after = conditions(self._root, ask=self._ask)
        busy = processes.busiest(self._processes, now, own=os.getpid())
        return {
            "before": self._before,
            "after": {**after, "foreign_processes": busy},
            "versions": versions(),
        }
