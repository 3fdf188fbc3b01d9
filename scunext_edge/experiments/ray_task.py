"""A trial as a task of Ray: what runs in a worker of the cluster, on whatever machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scunext_edge.errors import ScunextEdgeError, StorageError
from scunext_edge.experiments.launch import Killed, begin, outcome

RETRIES = 3  # of a trial whose own process was killed; Ray does as much for its workers
TOKEN = "experiment.token"
_LOOK_S = 0.2


def make(job: Mapping[str, Any], folder: str, token: str) -> dict[str, Any]:
    """Make a trial in a process of its own, which ends with this worker.

    Returns ``{"error": null}``, the record lying in the trial's folder, or the error as data.
    """
    try:
        _check_shared(Path(folder).parent.parent, token)
        for attempt in range(RETRIES + 1):
            try:
                _one(job, Path(folder))
                break
            except Killed:
                if attempt == RETRIES:
                    raise
    except ScunextEdgeError as error:
        told = {"kind": type(error).__name__, "message": str(error), "hint": error.hint}
        return {"error": told}
    return {"error": None}


def _one(job: Mapping[str, Any], folder: Path) -> None:
    child = begin(job, folder)
    try:
        while not child.ended():
            time.sleep(_LOOK_S)
        outcome(child)
    finally:
        child.stop()


def _check_shared(out: Path, token: str) -> None:
    """Every machine has to see the same folder: a trial may go on elsewhere than it began."""
    try:
        found = (out / TOKEN).read_text(encoding="utf-8")
    except OSError:
        found = None
    if found != token:
        raise StorageError(
            f"{out} on this machine is not the folder of the experiment",
            hint="give an --out, and --data, that every machine of the cluster sees at this path",
        )
