"""A trial as a child process: started in its folder, looked at, stopped, and how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from scunext_edge import errors
from scunext_edge.errors import ArtifactError, EngineError, ScunextEdgeError, StorageError
from scunext_edge.experiments.worker import FAILURE, JOB, RECORD, RUN
from scunext_edge.isolate import thread_limits
from scunext_edge.storage import read_json, storage_errors, write_json

WORKER = "scunext_edge.experiments.worker"


class Killed(EngineError):
    """A trial was ended from outside: it may be started again and goes on at its last epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A trial under way."""

    name: str
    folder: Path
    process: subprocess.Popen[str]
    talk: IO[str]

    def ended(self) -> bool:
        """Whether it has; how, says :func:`outcome`."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """End it with all that it started; its last epoch is kept."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.talk.close()


def begin(job: Mapping[str, Any], folder: Path) -> Child:
    """Write the job into its folder and start it."""
    write_json(folder / JOB, job)
    with storage_errors(folder):
        (folder / FAILURE).unlink(missing_ok=True)
    talk = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, "-m", WORKER, str(folder), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=talk,
        stderr=talk,
        text=True,
        start_new_session=True,
        env={**os.environ, **thread_limits(int(job["threads"]))},
    )
    _keep_niceness(process.pid)
    return Child(name=str(job["name"]), folder=folder, process=process, talk=talk)


def _keep_niceness(pid: int) -> None:
    """Linux shares the processor among sessions first: in one of its own, `nice` would be lost."""
    with contextlib.suppress(OSError):
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness), encoding="ascii")


def outcome(child: Child) -> dict[str, Any]:
    """The record of a child that ended; or raise what it ended with."""
    code = child.process.wait()
    child.talk.seek(0)
    last = " | ".join(line for line in child.talk.read().splitlines()[-8:] if line.strip())
    child.talk.close()
    if code == 0:
        return dict(read_json(child.folder / RECORD))
    if code < 0:
        raise Killed(f"{child.name} was killed by {signal.Signals(-code).name}")
    try:
        told = read_json(child.folder / FAILURE)
    except ArtifactError:
        kind = StorageError if code == StorageError.exit_code else EngineError
        raise kind(f"{child.name} ended with exit code {code}: {last or 'no output'}") from None
    kind = getattr(errors, told["kind"], EngineError)
    found: ScunextEdgeError = kind(f"{child.name}: {told['message']}", hint=told["hint"])
    raise found


def epochs_done(folder: Path) -> int:
    """How many epochs of a trial's run are behind it."""
    try:
        with (folder / RUN / "log.csv").open(encoding="utf-8") as stream:
            return max(0, sum(1 for _ in stream) - 1)
    except OSError:
        return 0
