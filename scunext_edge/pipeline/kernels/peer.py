"""One engine with one network: the child's side of a measurement, alive until it is told to end.

``python -m scunext_edge.pipeline.kernels.peer JOB`` opens, answers one line of JSON, and then
answers every line of JSON on stdin: ``{"runs": N}`` gives the nanoseconds of N runs.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from scunext_edge.data.synthetic import draw
from scunext_edge.errors import EngineError, ScunextEdgeError
from scunext_edge.spec import Image

_MODULES = {
    "native": "peer_runner",
    "onnxruntime": "peer_runner",
    "openvino": "peer_runner",
    "mnn": "peer_mnn",
    "torch-compile": "peer_torch",
}
_WARMUP_S = 0.3
_WARMUP_RUNS = 10
_SETTLING = 2  # runs before each burst that count for nothing: other engines had the caches


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """An engine that is ready: the image is in place."""

    run: Callable[[], object]
    mask: Callable[[], npt.NDArray[np.bool_]]  # [H, W], of the last run
    facts: dict[str, Any]  # for the record


def picture(size: int) -> Image:
    """The image that every engine gets: a drawn lesion, uint8 [size, size, 3]."""
    return draw(0, 0, (size, size))[0]


def serve(job: dict[str, Any], lines: TextIO, answers: TextIO) -> None:
    """Open, then answer until ``lines`` end."""
    try:
        peer, answer = _open(job)
    except ScunextEdgeError as error:
        answer = {"error": {"kind": type(error).__name__, "message": str(error)}}
    except Exception as error:
        answer = {"error": {"kind": "EngineError", "message": f"{type(error).__name__}: {error}"}}
    _say(answers, answer)
    if "error" in answer:
        return
    gc.disable()
    for line in lines:
        _say(answers, _burst(peer, json.loads(line)["runs"]))


def _open(job: dict[str, Any]) -> tuple[Peer, dict[str, Any]]:
    module = import_module(f"scunext_edge.pipeline.kernels.{_MODULES[job['engine']]}")
    start = time.perf_counter_ns()
    peer: Peer = module.open_peer(job, picture(job["size"]))
    peer.run()
    open_ms = (time.perf_counter_ns() - start) / 1e6
    mask = peer.mask()
    if mask.shape != (job["size"], job["size"]):
        raise EngineError(f"{job['engine']} made a mask of shape {mask.shape}")
    Path(job["mask"]).write_bytes(np.packbits(mask).tobytes())
    pinned = _pin(job["cpus"])
    return peer, {
        **peer.facts,
        "open_ms": open_ms,
        "pinned": pinned,
        "typical_ns": _typical_ns(peer),
    }


def _pin(cpus: list[int]) -> bool:
    """Hold every thread of this process, whoever started it, to ``cpus``."""
    if not cpus or not hasattr(os, "sched_setaffinity"):
        return False
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cpus)
    return True


def _typical_ns(peer: Peer) -> int:
    taken: list[int] = []
    while len(taken) < _WARMUP_RUNS or sum(taken) < _WARMUP_S * 1e9:
        taken.append(_time_once(peer.run))
        if len(taken) >= 3 and sum(taken) > 3 * _WARMUP_S * 1e9:
            break
    return int(statistics.median(taken[len(taken) // 2 :]))


def _burst(peer: Peer, runs: int) -> dict[str, Any]:
    for _ in range(_SETTLING):
        peer.run()
    cpu, start = time.process_time(), time.perf_counter()
    values = [_time_once(peer.run) for _ in range(runs)]
    passed = time.perf_counter() - start
    return {
        "values_ns": values,
        "cores_used": (time.process_time() - cpu) / passed,
        "cpu_s": time.process_time(),
    }


def _time_once(run: Callable[[], object]) -> int:
    start = time.perf_counter_ns()
    run()
    return time.perf_counter_ns() - start


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def main() -> None:
    """Keep the real stdout for answers: engines print on theirs."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        serve(json.loads(sys.argv[1]), sys.stdin, answers)
    os._exit(0)  # some engines take a second to tear down, and some crash in it


if __name__ == "__main__":
    main()
