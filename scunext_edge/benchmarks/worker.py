"""One fresh process of one case: ``python -m scunext_edge.benchmarks.worker JOB ANSWER``.

A job of kind "latency" takes time and leaves memory alone, one of kind "memory" the reverse: each
would disturb the other. A cold start is another module's (:mod:`scunext_edge.benchmarks.cold`).
"""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scunext_edge import artifacts, isolate
from scunext_edge.benchmarks import energy, passport
from scunext_edge.benchmarks.measure import Plan, Window, region_call
from scunext_edge.benchmarks.memory import DeviceMemory, peak_over_imports
from scunext_edge.benchmarks.picture import photograph, picture
from scunext_edge.benchmarks.pinning import pin
from scunext_edge.benchmarks.scenarios import Means, calls_per_burst, harness_ns, take
from scunext_edge.runtime.registry import backend_module, open_runner
from scunext_edge.runtime.runner import Runner
from scunext_edge.storage import storage_errors

_MEMORY_CALLS = 3


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Do one job, described in :mod:`scunext_edge.benchmarks.schedule`; the answer is JSON."""
    pin(job["cpus"])
    return _KINDS[job["kind"]](job)


def _latency(job: dict[str, Any]) -> dict[str, Any]:
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    plan = Plan(**job["plan"])
    start = time.perf_counter_ns()
    runner = _open(job)
    open_ms = (time.perf_counter_ns() - start) / 1e6
    inputs = {"image": picture(job["batch"], runner.spec.size, runner.spec.size, job["seed"])}
    encoded = photograph(job["seed"]) if plan.region == "end_to_end" else b""
    harness = harness_ns(plan, calls=calls_per_burst(plan, job["batch"]))
    means = Means(keep=_keeper(job)) if plan.scenario == "soak" else Means()
    around = passport.Window()
    samples = take(runner, inputs, plan, encoded=encoded, means=means)
    environment = around.close()
    return {
        **_engine(job, runner),
        "run": {
            "started": started,
            "environment": environment,
            **asdict(samples),
            "open_ms": open_ms,
            "harness_ns": harness,
        },
    }


def _memory(job: dict[str, Any]) -> dict[str, Any]:
    backend_module(job["backend"])  # its imports belong to the baseline

    def load_and_run() -> Runner:
        runner = _open(job)
        size = runner.spec.size
        runner.put({"image": picture(job["batch"], size, size, job["seed"])})
        for _ in range(_MEMORY_CALLS):
            runner.execute()
        runner.get()
        return runner

    device = DeviceMemory(job["device"])
    runner, memory = peak_over_imports(load_and_run)
    return {**_engine(job, runner), "memory": {**memory, **device.read()}}


def _energy(job: dict[str, Any]) -> dict[str, Any]:
    """Sensors are read meanwhile, so no time is taken here."""
    plan, seconds = Plan(**job["plan"]), job["energy_s"]
    runner = _open(job)
    inputs = {"image": picture(job["batch"], runner.spec.size, runner.spec.size, job["seed"])}
    encoded = photograph(job["seed"]) if plan.region == "end_to_end" else b""
    runner.put(inputs)
    call = region_call(runner, inputs, encoded, plan.region)
    with energy.opened(job["device"]) as source:
        found = energy.measure_energy(
            call, images=job["batch"], source=source, duration_s=seconds, idle_s=seconds
        )
    return {**_engine(job, runner), "energy": asdict(found)}


_KINDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "latency": _latency,
    "memory": _memory,
    "energy": _energy,
}


def _keeper(job: dict[str, Any]) -> Callable[[Window], None]:
    """Add each window of a soak to a file, so that an end before its time leaves the others."""
    path = Path(job["windows"])
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)

    def keep(window: Window) -> None:
        with storage_errors(path), path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(window)) + "\n")

    return keep


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


if __name__ == "__main__":
    isolate.serve(work)
    # The answer is written. Some engines take a second to tear down, and some crash in it.
    os._exit(0)
