"""Several devices side by side, over real sshd processes: rows for each, whatever one lacks."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from scunext_edge.benchmarks import records
from scunext_edge.benchmarks.suite import Suite
from scunext_edge.errors import MeasurementError
from scunext_edge.pipeline.complexity import Complexity
from scunext_edge.pipeline.remote import bench as module
from scunext_edge.pipeline.remote.bench import FleetOutcome, bench_remote
from scunext_edge.pipeline.remote.hosts import hosts
from scunext_edge.pipeline.remote.probe import probe
from scunext_edge.pipeline.remote.settings import Fleet
from scunext_edge.pipeline.settings import Settings
from scunext_edge.report.records import read_run
from scunext_edge.results import Row

pytestmark = pytest.mark.slow  # several real daemons: `make test-long`

QUICK = Suite(name="quick", rounds=1, warmup=1, values=5, memory=False, timeout_s=120)


@pytest.fixture
def counted(monkeypatch):
    """Networks that are counted already: it takes torch ten seconds."""
    known = lambda subjects, *_: {it.label: Complexity(model=it.label) for it in subjects}  # noqa: E731
    monkeypatch.setattr(module, "complexities", known)


@pytest.fixture
def settings(tmp_path):
    return Settings(
        out=tmp_path / "run",
        suite=QUICK,
        models=("unext",),
        backends=("onnxruntime", "native", "torch"),
        precisions=("int8", "fp32"),
    )


def rows_of(outcome, name):
    return {(row.backend, row.precision): row for row in outcome.rows[name]}


def test_each_device_has_its_column_and_what_one_lacks_costs_the_others_nothing(
    network, python, make_python, settings, counted, native_library
):
    pytest.importorskip("onnxruntime")
    full = make_python("full", "numpy", "PIL", "onnxruntime")
    machines = [network.device("full", python=full), network.device("lean", python=python)]
    network.know("gone", 1)
    fleet = Fleet(hosts=hosts(["full", "lean", "gone"]), config=network.config)
    outcome = bench_remote(settings, fleet)

    for name, backend, status in (
        ("full", "onnxruntime", "ok"), ("full", "native", "ok"), ("full", "torch", "skipped"),
        ("lean", "onnxruntime", "skipped"), ("lean", "native", "ok"), ("gone", "native", "failed"),
    ):  # fmt: skip
        row = rows_of(outcome, name)[backend, "fp32"]
        assert (row.status, name, backend) == (status, name, backend), row.reason
        assert (row.latency_ms is None) == (status != "ok")
    assert "has no onnxruntime" in rows_of(outcome, "lean")["onnxruntime", "int8"].reason
    assert "gone cannot be reached" in rows_of(outcome, "gone")["onnxruntime", "int8"].reason
    assert outcome.exit_code == 5  # of the one without a number

    content = json.loads((settings.out / "fleet.json").read_text())
    assert [device["name"] for device in content["devices"]] == ["full", "lean", "gone"]
    assert content["devices"][0]["engines"].keys() == {"onnxruntime", "native"}
    assert len(content["lines"]) == 5
    page = outcome.markdown.read_text()
    assert "Connection refused" in page
    for name in ("full", "lean", "gone"):
        run = read_run(settings.out / "hosts" / name)
        assert len(run.rows) == 5
        assert (settings.out / "hosts" / name / "report.md").is_file()
    stored = read_run(settings.out / "hosts" / "lean").measurements
    assert {record.subject.backend for record in stored.values()} == {"native"}
    assert [machine.work_folders for machine in machines] == [[], []]


def test_a_second_run_measures_nothing_again_and_another_suite_takes_no_old_record(
    network, python, settings, counted, native_library, monkeypatch
):
    network.device(python=python)
    fleet = Fleet(hosts=hosts(["pi"]), config=network.config)
    settings = dataclasses.replace(settings, backends=("native",), precisions=("int8",))
    assert bench_remote(settings, fleet).exit_code == 0
    (path,) = (settings.out / "hosts" / "pi" / "records").glob("*.measurement.json")
    first = records.load(path).runs
    bench_remote(settings, fleet)
    assert records.load(path).runs == first

    def lost(self, *, keep):
        raise MeasurementError("lost")

    monkeypatch.setattr(module.Session, "run", lost)
    (row,) = bench_remote(settings, fleet).rows["pi"]
    assert (row.status, row.latency_ms.n) == ("ok", 5)
    other = dataclasses.replace(settings, suite=dataclasses.replace(QUICK, values=6))
    (row,) = bench_remote(other, fleet).rows["pi"]
    assert (row.status, row.reason, row.latency_ms) == ("failed", "lost", None)


def test_an_engine_that_does_not_work_there_says_why(
    network, python, settings, counted, native_library, monkeypatch
):
    """A library that is none, as one for another libc would be."""
    wrong = network.folder / native_library.name
    wrong.write_bytes(b"no library")
    monkeypatch.setattr("scunext_edge.pipeline.remote.archive.library_for", lambda facts: wrong)
    network.device(python=python)
    fleet = Fleet(hosts=hosts(["pi"]), config=network.config)
    settings = dataclasses.replace(settings, backends=("native",), precisions=("int8",))
    outcome = bench_remote(settings, fleet)
    (row,) = outcome.rows["pi"]
    assert row.status == "skipped"
    assert "does not load" in row.reason
    assert outcome.exit_code == 3


def test_an_emulated_device_is_shown_and_compared_with_nothing(
    network, python, settings, counted, native_library, monkeypatch
):
    network.device(python=python)
    fleet = Fleet(hosts=hosts(["pi"]), config=network.config)
    monkeypatch.setattr(module, "probe", lambda *of: dataclasses.replace(probe(*of), emulated=True))
    settings = dataclasses.replace(settings, backends=("native",), precisions=("int8",))
    outcome = bench_remote(settings, fleet)
    (row,) = outcome.rows["pi"]
    assert (row.status, row.latency_ms, row.stability, row.memory_mb) == ("ok", None, None, None)
    assert "the processor is emulated" in row.doubts[0]
    run = read_run(settings.out / "hosts" / "pi")
    assert run.environment["emulated"] is True
    assert "fastest" not in (settings.out / "hosts" / "pi" / "report.md").read_text()
    (cell,) = outcome.matrix.lines[0].cells
    assert cell.emulated
    assert cell.latency_ms.median > 0  # of its record
    assert "| pi (emulated)" in outcome.markdown.read_text()
    assert re.search(r"\d emulated \|", outcome.markdown.read_text())


def test_a_device_that_is_lost_on_the_way_keeps_its_rows_with_a_doubt(
    network, python, settings, counted, native_library
):
    machine = network.device(python=python)
    fleet = Fleet(hosts=hosts(["pi"]), config=network.config, waits_s=())
    suite = dataclasses.replace(QUICK, rounds=50, duration_s=0.2)
    settings = dataclasses.replace(
        settings, backends=("native",), precisions=("int8",), suite=suite
    )

    def advance(what, done, of):
        if what == "pi: processes timed" and done >= 4 and machine.process.poll() is None:
            machine.stop()

    outcome = bench_remote(settings, fleet, advance=advance)
    (row,) = outcome.rows["pi"]
    assert (row.status, row.latency_ms.region) == ("ok", "compute")
    assert 1 <= row.latency_ms.processes < 50
    assert re.match(r"\d+ of 50 processes: pi cannot be reached", row.doubts[0])
    assert "pi cannot be reached" in outcome.markdown.read_text()


def make_row(status, **more):
    return Row(
        model="unext", backend="native", precision="int8", device="cpu", threads=1, input_size=256,
        status=status, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([["ok", "failed"], ["ok", "skipped"]], 0),
        ([["ok"], ["skipped"]], 3),
        ([["ok"], ["failed", "skipped"], ["skipped"]], 5),
    ],
)
def test_the_run_ends_well_if_every_device_has_a_number(statuses, code):
    outcome = FleetOutcome(
        rows={str(at): tuple(map(make_row, each)) for at, each in enumerate(statuses)},
        matrix=None,
        content={},
        markdown=None,
    )
    assert outcome.exit_code == code


def test_an_unstable_latency_is_a_failure_where_it_was_asked_to_be():
    rows = {"pi": (make_row("ok", stability="unstable"),)}
    outcome = FleetOutcome(rows=rows, matrix=None, content={}, markdown=None)
    assert outcome.exit_code == 0
    assert dataclasses.replace(outcome, wants_stable=True).exit_code == 5
