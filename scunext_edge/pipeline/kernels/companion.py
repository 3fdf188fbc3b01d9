"""A child process that is kept alive and asked; the parent's side of ``peer``."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import IO, Any, Protocol

from scunext_edge import errors
from scunext_edge.errors import EngineError
from scunext_edge.isolate import thread_limits

PEER = "scunext_edge.pipeline.kernels.peer"
_OPEN_S = 900.0  # torch.compile calls a C++ compiler
_BURST_S = 120.0


class Asked(Protocol):
    """What can be measured: opened once, then asked for bursts."""

    def opened(self) -> dict[str, Any]:
        """What the engine says about itself, once it is ready."""

    def burst(self, runs: int) -> dict[str, Any]:
        """The nanoseconds of ``runs`` runs."""


class Companion:
    """Starts at once and opens by itself, so that several open at the same time."""

    def __init__(self, job: Mapping[str, Any], env: Mapping[str, str], talk: IO[str]) -> None:
        """``talk`` takes what the child says on stderr: its last lines explain a crash."""
        self._name = f"{job['engine']} {job['precision']}"
        self._talk = talk
        self._child = subprocess.Popen(
            [sys.executable, "-m", PEER, json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=talk,
            text=True,
            start_new_session=True,
            env={
                **os.environ,
                "PYTHONFAULTHANDLER": "1",
                **thread_limits(job["threads"]),
                **env,
            },
        )

    def opened(self) -> dict[str, Any]:
        """Wait until the engine is ready; an error of the child is raised here."""
        answer = self._answer(_OPEN_S)
        if "error" in answer:
            kind = getattr(errors, answer["error"]["kind"], EngineError)
            raise kind(answer["error"]["message"])
        return answer

    def burst(self, runs: int) -> dict[str, Any]:
        """Ask for ``runs`` runs, and wait for their times."""
        with contextlib.suppress(BrokenPipeError):  # it died: told from the missing answer
            stream = self._child.stdin
            assert stream is not None
            stream.write(json.dumps({"runs": runs}) + "\n")
            stream.flush()
        return self._answer(_BURST_S)

    def close(self) -> None:
        """End it, and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(BrokenPipeError):
                assert stream is not None
                stream.close()

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        stream = self._child.stdout
        assert stream is not None
        timer = threading.Timer(timeout_s, self._child.kill)
        timer.daemon = True
        timer.start()
        try:
            line = stream.readline()
        finally:
            timer.cancel()
        if not line:
            raise EngineError(f"{self._name} ended without an answer: {self._last_lines()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_lines(self) -> str:
        self._talk.seek(0)
        lines = self._talk.read().splitlines()[-8:]
        return " | ".join(line for line in lines if line.strip()) or "it said nothing"


@contextlib.contextmanager
def companion(job: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Companion]:
    """A child for as long as the block lasts, Ctrl-C included."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as talk:
        child = Companion(job, env, talk)
        try:
            yield child
        finally:
            child.close()
