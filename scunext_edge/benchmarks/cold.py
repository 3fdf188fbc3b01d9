"""One process from its start to its first mask: ``python -m scunext_edge.benchmarks.cold``.

A module of its own: its imports are a part of what is timed, and are those that a prediction
needs. The monotonic clock is the same for all processes of a machine, so the parent tells when
it asked for this one (the process's own start time in /proc is counted in hundredths of a second).
"""

from __future__ import annotations

import time

_BEGAN_NS = time.monotonic_ns()

import base64
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

from scunext_edge import artifacts, isolate
from scunext_edge.benchmarks.pinning import pin
from scunext_edge.data.images import read_image
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import backend_module, open_runner


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Do a job of kind "cold", described in :mod:`scunext_edge.benchmarks.schedule`."""
    pin(job["cpus"])
    encoded = base64.b64decode(job["photograph"])
    module = backend_module(job["backend"])
    imported_ns = time.monotonic_ns()
    artifact = artifacts.load(Path(job["artifact"]))
    runner = open_runner(artifact, job["backend"], device=job["device"], threads=job["threads"])
    loaded_ns = time.monotonic_ns()
    Predictor(runner).predict(read_image(encoded))
    ended_ns = time.monotonic_ns()
    runner.close()
    version, _devices = module.offers()
    stamps = (job["spawned_ns"], _BEGAN_NS, imported_ns, loaded_ns, ended_ns)
    return {"backend_version": version, "precision_ran": None, "cold": parts(stamps)}


def parts(stamps: tuple[int, int, int, int, int]) -> dict[str, float]:
    """The fields of ``records.ColdStart`` that are times, from five looks at one clock."""
    names = ("interpreter_ms", "import_ms", "load_ms", "first_run_ms")
    spans_ms = [(end - start) / 1e6 for start, end in pairwise(stamps)]
    return {**dict(zip(names, spans_ms, strict=True)), "total_ms": (stamps[-1] - stamps[0]) / 1e6}


if __name__ == "__main__":
    isolate.serve(work)
    os._exit(0)  # as in the worker
