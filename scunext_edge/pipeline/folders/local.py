"""Pictures shared out among processes of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from scunext_edge import errors
from scunext_edge.errors import EngineError, ScunextEdgeError
from scunext_edge.isolate import thread_limits
from scunext_edge.pipeline.folders.job import Input, Job
from scunext_edge.pipeline.folders.station import Row, failed_row

WORKER = "scunext_edge.pipeline.folders.worker"
_PICTURE_S = 600.0  # a worker that is silent for longer is ended
_FAREWELL_S = 10.0


def all_cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_local(
    job: Job, artifact_id: str, inputs: Sequence[Input], *, workers: int
) -> Generator[Row, None, None]:
    """Yield a row per picture, in the order in which they are done.

    A worker that dies costs the picture that it had, whose row says so, and another one is
    started. An error that concerns every picture (no such engine, a full disk) is raised. When
    the iterator is closed, workers finish the picture that they have.
    """
    waiting: queue.SimpleQueue[Input] = queue.SimpleQueue()
    for one in inputs:
        waiting.put(one)
    done: queue.Queue[Row | ScunextEdgeError | None] = queue.Queue(maxsize=4 * workers)
    stop = threading.Event()
    count = min(workers, len(inputs))
    threads = [
        threading.Thread(target=_tend, args=(job, artifact_id, waiting, done, stop), daemon=True)
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        while count:
            answer = done.get()
            if isinstance(answer, ScunextEdgeError):
                raise answer
            if answer is None:
                count -= 1
            else:
                yield answer
    finally:
        stop.set()
        _drain(done, threads)


def _drain(done: queue.Queue[Any], threads: Sequence[threading.Thread]) -> None:
    """Until every worker has ended: the last rows are dropped, their pictures are done again."""
    while any(thread.is_alive() for thread in threads):
        with contextlib.suppress(queue.Empty):
            done.get(timeout=0.05)


def _tend(
    job: Job,
    artifact_id: str,
    waiting: queue.SimpleQueue[Input],
    done: queue.Queue[Row | ScunextEdgeError | None],
    stop: threading.Event,
) -> None:
    """Keep one child busy, in a thread of its own; None is its last word."""
    child: _Child | None = None
    try:
        while not stop.is_set():
            try:
                one = waiting.get_nowait()
            except queue.Empty:
                break
            child = child or _Child(job, artifact_id)
            row = child.row(one)
            if row is None:
                ending = child.close()
                child = None
                row = failed_row(job, artifact_id, one.name, _ending(ending))
            done.put(row)
    except ScunextEdgeError as error:
        done.put(error)
    except Exception as error:  # no memory, process or file left: no silent end of a thread
        failed = EngineError(
            f"a worker could not be run: {type(error).__name__}: {error}",
            hint="give fewer --workers, or free memory and processes on this machine",
        )
        failed.__cause__ = error
        done.put(failed)
    finally:
        if child is not None:
            child.close()
        done.put(None)


class _Child:
    """One worker process. Nothing that it says on stderr is kept: it may be about a patient."""

    def __init__(self, job: Job, artifact_id: str) -> None:
        asked = json.dumps({"job": job.to_json(), "artifact_id": artifact_id})
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER, asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the parent, who lets it finish its picture
            env={**os.environ, **thread_limits(job.threads)},
        )
        try:
            ready = self._answer()
        except BaseException:
            self.close()
            raise
        if ready is None:
            raise EngineError(f"no worker could be started: {_ending(self.close())}")

    def row(self, one: Input) -> Row | None:
        """Segment a picture; None if the process died of it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([str(Path(one.path)), one.name]) + "\n")
            self._process.stdin.flush()
        answer = self._answer()
        return None if answer is None else answer["row"]

    def close(self) -> int | None:
        """Let it end, or end it; its exit code."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
        return process.returncode

    def _answer(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        timer = threading.Timer(_PICTURE_S, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            return None
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            told = answer["error"]
            raise getattr(errors, told["kind"], EngineError)(told["message"], hint=told["hint"])
        return answer


def _ending(code: int | None) -> str:
    how = f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
    return f"the worker process ended ({how}); the picture alone may show why"
