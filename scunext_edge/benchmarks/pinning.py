"""Holding this process to some of the CPUs."""

from __future__ import annotations

import os
from collections.abc import Collection

from scunext_edge.errors import BackendUnavailable, ConfigError


def pin(cpus: Collection[int]) -> None:
    """Run on ``cpus`` only; on none given, wherever the scheduler puts us."""
    if not cpus:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise BackendUnavailable("this system cannot pin a process to CPUs", hint="leave cpus out")
    allowed = os.sched_getaffinity(0)
    if not set(cpus) <= allowed:
        raise ConfigError(
            f"cannot pin to CPUs {cpus}: this process may use {sorted(allowed)}",
            hint="choose from those, or leave cpus out of the suite",
        )
    os.sched_setaffinity(0, cpus)
