"""One piece of work in a fresh process: a job goes in as JSON, an answer comes back as JSON.

What a job does is the worker module's business. A crash of an engine ends the child, not us.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scunext_edge import errors
from scunext_edge.errors import EngineError, ScunextEdgeError
from scunext_edge.storage import storage_errors

# Pools that read these while they are imported; engines are told again when they open.
_THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)


def thread_limits(count: int) -> dict[str, str]:
    """The environment of a child whose libraries are to use ``count`` threads."""
    return dict.fromkeys(_THREAD_VARIABLES, str(count))


def call(
    module: str,
    job: Mapping[str, Any],
    *,
    timeout_s: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Any:
    """Run ``python -m module`` with ``job``, wait, and return its answer.

    ``env`` is added to the environment of the child: thread pools of engines read theirs
    while they are imported, so it is too late to set it inside.

    An error of ours that the child raised is raised here again, as the same class. A child that
    dies without an answer (a crash, a kill, a time-out) raises ``EngineError`` with the last
    lines that it wrote to stderr.
    """
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as folder:
        asked, answered = Path(folder, "job.json"), Path(folder, "answer.json")
        with storage_errors(asked):
            asked.write_text(json.dumps(job), encoding="utf-8")
        command = [sys.executable, "-m", module, str(asked), str(answered)]
        code, talk = _run(command, timeout_s, env or {})
        if not answered.is_file():
            raise EngineError(f"{module} ended without an answer ({_ending(code)}): {_tail(talk)}")
        answer = json.loads(answered.read_text(encoding="utf-8"))
    if "error" in answer:
        kind = getattr(errors, answer["error"]["kind"], EngineError)
        raise kind(answer["error"]["message"], hint=answer["error"]["hint"])
    return answer["result"]


def serve(work: Callable[[dict[str, Any]], Any]) -> None:
    """The child's side: read the job named in ``sys.argv``, do ``work``, write the answer."""
    asked, answered = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        answer = {"result": work(json.loads(asked.read_text(encoding="utf-8")))}
    except ScunextEdgeError as error:
        answer = {
            "error": {"kind": type(error).__name__, "message": str(error), "hint": error.hint}
        }
    temporary = answered.with_suffix(".part")
    temporary.write_text(json.dumps(answer), encoding="utf-8")
    temporary.replace(answered)


def _run(
    command: list[str], timeout_s: float | None, env: Mapping[str, str]
) -> tuple[int | None, str]:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as talk:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=talk,
            stderr=talk,
            start_new_session=True,
            env={**os.environ, "PYTHONFAULTHANDLER": "1", **env},
        )
        with _ended_with_us(child):
            code = _wait(child, timeout_s)
        talk.seek(0)
        return code, talk.read()


def _wait(child: subprocess.Popen[bytes], timeout_s: float | None) -> int | None:
    """The exit code, or None after ``timeout_s``.

    ``Popen.wait(timeout)`` wakes up twenty times a second to look: while the child takes time,
    that is load from elsewhere.
    """
    if timeout_s is None:
        return child.wait()
    late = threading.Event()

    def stop() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(timeout_s, stop)
    timer.daemon = True
    timer.start()
    try:
        code = child.wait()
    finally:
        timer.cancel()
    return None if late.is_set() else code


@contextlib.contextmanager
def _ended_with_us(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill the child and all that it started when this block is left, Ctrl-C included."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _ending(code: int | None) -> str:
    if code is None:
        return "stopped: it took too long"
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _tail(talk: str, lines: int = 8) -> str:
    return " | ".join(line for line in talk.splitlines()[-lines:] if line.strip()) or "no output"
