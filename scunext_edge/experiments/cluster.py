"""Trials on Ray: one machine or many. The folder of the experiment is seen by all of them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from scunext_edge import errors
from scunext_edge.errors import EngineError, ScunextEdgeError, StorageError, require
from scunext_edge.experiments.ray_task import TOKEN
from scunext_edge.experiments.worker import RECORD
from scunext_edge.storage import read_json, write_json, write_text

DRIVER = "scunext_edge.experiments.ray_driver"
_LOOK_S = 0.5
_ENDING_S = 15.0  # for Ray to end its own processes


def run_on_ray(
    jobs: Sequence[tuple[Mapping[str, Any], Path]],
    out: Path,
    *,
    address: str,
    cpus: float,
    gpus: float,
    workers: int,
    on_record: Callable[[dict[str, Any]], None],
    on_look: Callable[[], None] = lambda: None,
) -> list[ScunextEdgeError]:
    """Make the trials; returns what went wrong with those that could not be made.

    A worker that is killed is replaced, and its trial goes on at its last epoch. A cluster that is
    gone is an ``EngineError``: a second start does what is missing. ``cpus`` and ``gpus`` are what
    one trial asks for; ``workers`` trials run at a time where the address is ``local``.
    """
    require("ray", "ray", needed_for="trials on a cluster")
    token = secrets.token_hex(8)
    write_text(out / TOKEN, token)
    order = {
        "address": address,
        "local_cpus": max(1, round(cpus * workers)),
        "cpus": cpus,
        "gpus": gpus,
        "token": token,
        "jobs": [(dict(job), str(folder)) for job, folder in jobs],
    }
    write_json(out / "ray.json", order)
    left, failed = {str(folder) for _, folder in jobs}, list[ScunextEdgeError]()
    with _driver(out / "ray.json") as (lines, ended):
        while left:
            on_look()
            told = _next(lines)
            if told is None:
                if ended() is not None and lines.empty():
                    raise _gone(address, len(left), ended())
                continue
            left.discard(told["folder"])
            if told["error"] is None:
                on_record(dict(read_json(Path(told["folder"]) / RECORD)))
                continue
            kind = getattr(errors, told["error"]["kind"], EngineError)
            error: ScunextEdgeError = kind(told["error"]["message"], hint=told["error"]["hint"])
            if isinstance(error, StorageError):
                raise error
            failed.append(error)
    return failed


def _gone(address: str, left: int, told: str | None) -> EngineError:
    return EngineError(
        f"the Ray cluster ({address}) is gone, with {left} trials to make: {told}",
        hint="start Ray and then this again: what is finished is kept, the rest goes on at its "
        "last epoch",
    )


def _next(lines: Queue[dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return lines.get(timeout=_LOOK_S)
    except Empty:
        return None


@contextlib.contextmanager
def _driver(order: Path) -> Iterator[tuple[Queue[dict[str, Any]], Callable[[], str | None]]]:
    """The child that talks to Ray: what it tells, and how it ended if it has."""
    lines: Queue[dict[str, Any]] = Queue()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as talk:
        process = subprocess.Popen(
            [sys.executable, "-m", DRIVER, str(order), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=talk,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reader.start()

        def ended() -> str | None:
            code = process.poll()
            if code is None or reader.is_alive():
                return None
            talk.seek(0)
            last = [line for line in talk.read().splitlines() if line.strip()][-3:]
            return f"exit code {code}, {' | '.join(last) or 'no output'}"

        try:
            yield lines, ended
        finally:
            process.terminate()
            try:
                process.wait(_ENDING_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join(_ENDING_S)
            process.stdout.close()


def _read(stream: Any, lines: Queue[dict[str, Any]]) -> None:
    """Ray writes to stdout too, now and then: what is no answer is passed over."""
    for line in stream:
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and "folder" in told:
                lines.put(told)
