"""On the device: measure the cases of a job. ``python -m`` this, in a work folder.

The agent starts it, detached from any connection. It speaks through files: ``status.json``,
``device.json`` and the records.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from scunext_edge import artifacts
from scunext_edge.errors import ConfigError, ScunextEdgeError
from scunext_edge.pipeline.remote import agent
from scunext_edge.storage import read_json, write_json


def main(folder: Path, worker_python: str) -> None:
    """Hold the lock, measure, say how it ended."""
    with (folder / agent.LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another one is at it
        sys.executable = worker_python  # what isolate.call starts
        signal.signal(signal.SIGTERM, _stop)
        status = _Status(folder)
        try:
            status.tell("running")
            _check_origin(folder)
            _measure(folder, read_json(folder / "job.json"), status)
            status.tell("done")
        except ScunextEdgeError as error:
            told = {"kind": type(error).__name__, "message": str(error), "hint": error.hint}
            status.tell("failed", error=told)


def _check_origin(folder: Path) -> None:
    """An editable installation is found before any path: its code would measure instead of ours."""
    origin = Path(artifacts.__file__).resolve()
    if folder.resolve() not in origin.parents:
        raise ConfigError(
            f"scunext-edge is installed there for development, in {origin.parent.parent}, which "
            "hides what was sent",
            hint="name a Python without it, by --remote-python",
        )


def _measure(folder: Path, job: Mapping[str, Any], status: _Status) -> None:
    if sys.version_info < (3, 11) and find_spec("tomli") is None:
        # The suite comes as JSON: its module only has to be imported.
        sys.modules["tomli"] = ModuleType("tomli")
    from scunext_edge.benchmarks.schedule import Case, Step, run_cases
    from scunext_edge.benchmarks.suite import Suite
    from scunext_edge.runtime.registry import statuses

    engines = {found.name: found for found in statuses(job["backends"])}
    suite = Suite(**{name: _tuple(value) for name, value in job["suite"].items()})
    about = {"engines": {name: asdict(found) for name, found in engines.items()}}
    write_json(folder / agent.DEVICE, about)
    cases = [
        Case(
            name=case["name"],
            artifact=artifacts.load(folder / case["artifact"]),
            backend=case["backend"],
            device=case["device"],
            backend_version=engines[case["backend"]].version,
        )
        for case in job["cases"]
        if engines[case["backend"]].available
    ]

    def on_progress(step: Step) -> None:
        status.tell("running", done=step.done + 1, total=step.total)

    for _ in run_cases(cases, suite, folder=folder / agent.RECORDS, on_progress=on_progress):
        pass


class _Status:
    def __init__(self, folder: Path) -> None:
        self.path = folder / agent.STATUS

    def tell(self, state: str, **more: Any) -> None:
        write_json(self.path, {"pid": os.getpid(), "state": state, **more})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _stop(number: int, frame: FrameType | None) -> None:
    """Leave through every ``finally``: the child that measures ends with us."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main(Path.cwd(), sys.argv[1])
