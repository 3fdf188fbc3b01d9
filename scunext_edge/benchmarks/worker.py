"""One fresh process of one case: ``python -m scunext_edge.benchmarks.worker JOB ANSWER``.

A job of kind "latency" takes time and leaves memory alone, one of kind "memory" the reverse: each
would disturb the other.
"""

from __future__ import annotations

import datetime
import io
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from scunext_edge import artifacts, isolate
from scunext_edge.benchmarks.environment import conditions
from scunext_edge.benchmarks.measure import Plan, harness_cost_ns, measure
from scunext_edge.benchmarks.memory import peak_over_imports
from scunext_edge.errors import BackendUnavailable, ConfigError
from scunext_edge.runtime.registry import backend_module, open_runner
from scunext_edge.runtime.runner import Runner
from scunext_edge.spec import Array

# A photograph as a camera stores it: end_to_end decodes it and resizes it both ways.
PHOTOGRAPH = (768, 1024)  # rows, columns
_MEMORY_CALLS = 3


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Do one job, described in :mod:`scunext_edge.benchmarks.schedule`; the answer is JSON."""
    _pin(job["cpus"])
    if job["kind"] == "memory":
        return _memory(job)
    return _latency(job)


def _latency(job: dict[str, Any]) -> dict[str, Any]:
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    plan = Plan(**job["plan"])
    start = time.perf_counter_ns()
    runner = _open(job)
    open_ms = (time.perf_counter_ns() - start) / 1e6
    inputs = {"image": _picture(job["batch"], runner.spec.size, runner.spec.size, job["seed"])}
    encoded = _photograph(job["seed"]) if plan.region == "end_to_end" else b""
    harness_ns = harness_cost_ns(plan.region)
    before = conditions()
    samples = measure(runner, inputs, plan, encoded=encoded)
    after = conditions()
    return {
        **_engine(job, runner),
        "run": {
            "started": started,
            "environment": {"before": before, "after": after},
            **asdict(samples),
            "open_ms": open_ms,
            "harness_ns": harness_ns,
        },
    }


def _memory(job: dict[str, Any]) -> dict[str, Any]:
    backend_module(job["backend"])  # its imports belong to the baseline

    def load_and_run() -> Runner:
        runner = _open(job)
        size = runner.spec.size
        runner.put({"image": _picture(job["batch"], size, size, job["seed"])})
        for _ in range(_MEMORY_CALLS):
            runner.execute()
        runner.get()
        return runner

    runner, memory = peak_over_imports(load_and_run)
    return {**_engine(job, runner), "memory": memory}


def _open(job: dict[str, Any]) -> Runner:
    artifact = artifacts.load(Path(job["artifact"]))
    return open_runner(artifact, job["backend"], device=job["device"], threads=job["threads"])


def _engine(job: dict[str, Any], runner: Runner) -> dict[str, Any]:
    """Asked for after everything was taken: it may be slow, and may run the model.

    The same engine opens the same file the same way every time, so once per case is enough.
    """
    census = runner.census() if job["asks_precision"] else None
    runner.close()
    version, _devices = backend_module(job["backend"]).offers()
    return {"backend_version": version, "precision_ran": census.dominant if census else None}


def _pin(cpus: list[int]) -> None:
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


def _picture(batch: int, rows: int, columns: int, seed: int) -> Array:
    """uint8 [batch, rows, columns, 3]: a soft dark spot on skin with grain; what a camera sees.

    What is in it hardly matters to an engine, except that constant images may be unfairly fast.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    spot = 90 / (1 + np.exp(12 * (np.hypot(x, y) - 0.5)))
    skin = np.array([205.0, 165.0, 145.0]) - spot[..., None]
    grain = rng.normal(0, 6, size=(batch, rows, columns, 3))
    picture: Array = np.clip(skin + grain, 0, 255).astype(np.uint8)
    return picture


def _photograph(seed: int) -> bytes:
    """A JPEG file of :data:`PHOTOGRAPH` size."""
    stream = io.BytesIO()
    pixels = _picture(1, *PHOTOGRAPH, seed)[0]
    PillowImage.fromarray(pixels).save(stream, format="JPEG", quality=90)
    return stream.getvalue()


if __name__ == "__main__":
    isolate.serve(work)
    # The answer is written. Some engines take a second to tear down, and some crash in it.
    os._exit(0)
