from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scunext_edge.benchmarks import records, stats
from scunext_edge.benchmarks.findings import findings
from scunext_edge.benchmarks.records import Failure, Memory
from scunext_edge.errors import ArtifactError

STORED = Path(__file__).parent / "records"


def test_what_was_saved_is_what_is_loaded(tmp_path, make_record):
    record = make_record(
        [3, 1, 2],
        memory=Memory(peak_bytes=2, baseline_bytes=1, method="VmHWM"),
        failure=Failure(kind="EngineError", message="it broke", hint=None),
    )
    records.save(tmp_path / "a.json", record)
    assert records.load(tmp_path / "a.json") == record


@pytest.mark.parametrize("name", ["schema-2-burst", "schema-2-soak"])
def test_scenarios_survive_being_saved_again(tmp_path, name):
    record = records.load(STORED / f"{name}.measurement.json")
    records.save(tmp_path / "a.json", record)
    assert records.load(tmp_path / "a.json") == record


def test_a_record_of_schema_1_can_be_read_for_ever():
    record = records.load(STORED / "schema-1.measurement.json")
    assert record.subject.input_shape == (1, 32, 32, 3)
    assert [len(run.values_ns) for run in record.runs] == [5, 5]
    assert stats.latency(record).processes == 2
    assert stats.memory_mb(record) is not None


def test_a_burst_of_schema_2_can_be_read_for_ever():
    record = records.load(STORED / "schema-2-burst.measurement.json")
    assert (record.plan.scenario, record.plan.burst, record.plan.interval_s) == ("burst", 3, 2.0)
    assert record.runs[0].masks_ns == ((25_000, 49_000, 72_000), (26_000, 50_000, 74_000))
    assert record.runs[0].values_ns == (72_000, 74_000)
    assert record.runs[0].evicted_bytes == 64 << 20
    assert record.control is not None
    assert record.memory.device_driver_bytes == 512 << 20
    assert stats.cold_start_ms(record) == 232.0
    assert len(list(findings(record))) == 3


def test_a_soak_of_schema_2_can_be_read_for_ever():
    record = records.load(STORED / "schema-2-soak.measurement.json")
    (run,) = record.runs
    assert (run.soak.window_s, run.soak.every) == (60.0, 1440)
    assert [window.p95_ns for window in run.soak.windows] == [25_000_000, 25_100_000, 25_200_000]
    assert run.soak.windows[2].resident_bytes == (64_917_504, 64_925_696)
    assert len(record.unfinished.windows) == 1


def test_scenarios_lie_in_files_of_their_own():
    assert records.file_name("a", "compute") == "a--compute.measurement.json"
    name = records.file_name("a", "end_to_end", "clinic")
    assert name == "a--end_to_end--clinic.measurement.json"


@pytest.mark.parametrize("name", ["schema-1", "schema-2-burst", "schema-2-soak"])
def test_a_stored_record_names_no_person_host_or_path(name):
    text = (STORED / f"{name}.measurement.json").read_text(encoding="utf-8")
    assert "/" not in text.replace("Debian GNU/Linux", "")


@pytest.mark.parametrize("change", [{"schema": 3}, {"schema": None}, {"kind": "evaluation"}])
def test_another_schema_is_refused(tmp_path, make_record, change):
    path = tmp_path / "a.json"
    records.save(path, make_record([1]))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArtifactError, match=r"a\.json is .* of schema"):
        records.load(path)


@pytest.mark.parametrize("text", ["[]", "{", '{"schema": 1, "kind": "measurement"}'])
def test_what_is_no_record_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"a\.json"):
        records.load(tmp_path / "a.json")


def test_a_region_nobody_knows_is_refused(tmp_path, make_record):
    path = tmp_path / "a.json"
    records.save(path, make_record([1]))
    path.write_text(path.read_text().replace('"compute"', '"everything"'))
    with pytest.raises(ArtifactError, match="not a complete measurement"):
        records.load(path)


def test_records_of_one_plan_and_subject_agree_whatever_engine_version_ran(make_record):
    record = make_record([1])
    not_run = replace(record.subject, backend_version=None, precision_ran=None)
    assert record.agrees_with(replace(record, subject=not_run, runs=()))
    assert not record.agrees_with(replace(record, plan=replace(record.plan, warmup=9)))
    assert not record.agrees_with(replace(record, subject=replace(record.subject, threads=2)))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("BackendMissing", "skipped"),
        ("BackendUnavailable", "skipped"),
        ("EngineError", "failed"),
        ("ArtifactError", "failed"),
    ],
)
def test_what_this_machine_lacks_is_skipped_and_the_rest_failed(kind, status):
    assert Failure(kind=kind, message="because").status == status
