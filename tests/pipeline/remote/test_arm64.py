"""An emulated arm64 processor as a device: `make arm64` makes its Python, and runs this."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scunext_edge.benchmarks.suite import Suite
from scunext_edge.pipeline.remote.bench import bench_remote
from scunext_edge.pipeline.remote.hosts import hosts
from scunext_edge.pipeline.remote.settings import Fleet
from scunext_edge.pipeline.settings import Settings
from scunext_edge.report.records import read_run

PYTHON = Path(os.environ.get("SCUNEXT_ARM64", Path(__file__).parents[3] / "build/arm64/python"))


@pytest.mark.slow
def test_an_arm64_processor_runs_the_cases_and_is_marked_emulated(network, tmp_path):
    if not PYTHON.is_file():
        pytest.skip("there is no arm64 Python: make arm64")
    machine = network.device("arm64")
    settings = Settings(
        out=tmp_path / "run",
        suite=Suite(name="quick", rounds=1, warmup=1, values=2, memory=False),
        models=("unext",),
        backends=("onnxruntime", "native"),
        precisions=("int8",),
    )
    fleet = Fleet(hosts=hosts(["arm64"]), config=network.config, python=str(PYTHON))
    outcome = bench_remote(settings, fleet)
    timed, native = outcome.rows["arm64"]
    assert (timed.status, timed.latency_ms) == ("ok", None)
    assert "the processor is emulated" in timed.doubts[0]
    assert "and the device is Linux aarch64" in native.reason
    environment = read_run(settings.out / "hosts" / "arm64").environment
    assert (environment["architecture"], environment["emulated"]) == ("aarch64", True)
    assert machine.work_folders == []
