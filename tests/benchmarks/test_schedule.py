from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from scunext_edge import isolate
from scunext_edge.artifacts import Card, load, new_artifact
from scunext_edge.benchmarks import energy, records, schedule
from scunext_edge.benchmarks.schedule import COLD_WORKER, WORKER, Case, run_cases
from scunext_edge.benchmarks.suite import Suite
from scunext_edge.errors import ArtifactError, BackendMissing, ConfigError, EngineError
from scunext_edge.spec import ModelSpec

ENERGY = energy.Energy(
    source="meter",
    rails_uj={"all": 9000.0},
    idle_rails_uj={"all": 1000.0},
    total_of=("all",),
    seconds=2.0,
    idle_seconds=2.0,
    calls=3,
    images=3,
    samples=None,
)
SUITE = Suite(name="test", rounds=2, warmup=1, values=3, timeout_s=60)


@pytest.fixture
def cases(artifact, tmp_path):
    card = Card(model="other", format="onnx", precision="int8", spec=ModelSpec(size=64))
    with new_artifact(tmp_path / "other", card) as folder:
        (folder / "model.onnx").write_bytes(b"other bytes")
    other = load(tmp_path / "other")
    return [
        Case(name="tiny--fake", artifact=artifact, backend="fake"),
        Case(name="other--fake", artifact=other, backend="fake"),
        Case(name="third--fake", artifact=other, backend="fake"),
    ]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "records"


class Answers:
    """Stands in for the processes: every job is noted, and answered or refused."""

    def __init__(self, monkeypatch):
        self.jobs = []
        self.envs = []
        self.modules = []
        self.timeouts = []
        self.before = lambda job: None
        self.refuse = lambda job: None
        self.version = "1.0"
        monkeypatch.setattr(isolate, "call", self)

    def __call__(self, module, job, *, timeout_s, env):
        self.jobs.append(job)
        self.envs.append(env)
        self.modules.append(module)
        self.timeouts.append(timeout_s)
        self.before(job)
        refusal = self.refuse(job)
        if refusal is not None:
            raise refusal
        precision = "fp32" if job["asks_precision"] else None
        answer = {"backend_version": self.version, "precision_ran": precision}
        if job["kind"] == "energy":
            return {**answer, "energy": asdict(ENERGY)}
        if job["kind"] == "memory":
            memory = {"peak_bytes": 3, "baseline_bytes": 1, "method": "told"}
            return {**answer, "memory": memory}
        if job["kind"] == "cold":
            parts = dict.fromkeys(("interpreter_ms", "import_ms", "load_ms", "first_run_ms"), 2.0)
            return {**answer, "cold": {**parts, "total_ms": 8.0}}
        number = len(self.jobs)
        run = {
            "started": "2026-03-01T10:00:00+00:00",
            "environment": {"before": {}, "after": {}},
            "warmup_ns": [number],
            "values_ns": [number, number],
            "open_ms": 1.0,
            "harness_ns": 1,
        }
        return {**answer, "run": run}

    def names(self):
        return [job["artifact"].rsplit("/")[-1] for job in self.jobs]


@pytest.fixture
def answers(monkeypatch):
    return Answers(monkeypatch)


def test_every_case_gets_its_rounds_and_its_memory_in_real_processes(cases, folder):
    found = {case.name: record for case, record in run_cases(cases[:1], SUITE, folder=folder)}
    record = found["tiny--fake"]
    assert [len(run.values_ns) for run in record.runs] == [3, 3]
    assert record.memory is not None
    assert record.failure is None
    assert record.subject.input_shape == (1, 32, 32, 3)
    assert record.runs[0].environment["machine"]["python"]
    assert records.load(folder / "tiny--fake--compute.measurement.json") == record


def test_threads_are_told_to_the_libraries_before_they_load(cases, folder, answers):
    list(run_cases(cases[:1], replace(SUITE, threads=2), folder=folder))
    assert all(env["OMP_NUM_THREADS"] == "2" for env in answers.envs)
    assert all(job["threads"] == 2 for job in answers.jobs)


def test_an_engine_is_asked_once_what_precision_it_ran(cases, folder, answers):
    ((_, record),) = run_cases(cases[:1], SUITE, folder=folder)
    assert [job["asks_precision"] for job in answers.jobs] == [True, False, False, False]
    assert record.subject.precision_ran == "fp32"


def test_rounds_hold_every_case_once_in_an_order_of_their_own(cases, folder, answers):
    steps = []
    suite = replace(SUITE, rounds=8, memory=False)
    list(run_cases(cases, suite, folder=folder, on_progress=steps.append))
    rounds = [[step.case for step in steps if step.round == number] for number in range(8)]
    assert all(sorted(names) == sorted(case.name for case in cases) for names in rounds)
    assert len({tuple(names) for names in rounds}) > 1
    assert [step.done for step in steps] == list(range(25))
    assert {step.total for step in steps} == {25}


def test_every_second_round_is_the_one_before_backwards(cases, folder, answers):
    steps = []
    suite = replace(SUITE, rounds=6, memory=False)
    list(run_cases(cases, suite, folder=folder, on_progress=steps.append))
    rounds = [[step.case for step in steps if step.round == number] for number in range(6)]
    assert [rounds[1], rounds[3], rounds[5]] == [names[::-1] for names in rounds[0:6:2]]


def test_the_first_case_is_timed_once_more_after_all_others(cases, folder, answers):
    steps = []
    found = run_cases(cases, SUITE, folder=folder, on_progress=steps.append)
    records_of = {case.name: record for case, record in found}
    kinds = [step.kind for step in steps]
    at = kinds.index("control")
    assert set(kinds[:at]) == {"latency"}
    assert set(kinds[at + 1 :]) == {"memory"}
    assert steps[at].case == steps[0].case
    (name,) = (name for name, record in records_of.items() if record.control)
    assert name == steps[0].case
    assert len(records_of[name].runs) == SUITE.rounds


def test_new_values_ask_for_a_new_control(cases, folder, answers):
    ((_, first),) = run_cases(cases[:1], SUITE, folder=folder)
    ((_, second),) = run_cases(cases[:1], replace(SUITE, rounds=3), folder=folder)
    assert first.control != second.control
    ((_, third),) = run_cases(cases[:1], replace(SUITE, rounds=3), folder=folder)
    assert second == third


def test_the_order_follows_from_the_seed(cases, folder, answers):
    def order(seed, name):
        steps = []
        suite = replace(SUITE, rounds=6, seed=seed)
        list(run_cases(cases, suite, folder=folder / name, on_progress=steps.append))
        return [step.case for step in steps]

    assert order(1, "a") == order(1, "b") != order(2, "c")


def test_a_failed_case_carries_its_reason_and_stops_no_other(cases, folder, answers):
    answers.refuse = lambda job: (
        BackendMissing("no such engine", hint="install it")
        if job["artifact"].endswith("artifact")
        else None
    )
    found = {case.name: record for case, record in run_cases(cases, SUITE, folder=folder)}
    failure = found["tiny--fake"].failure
    assert (failure.status, failure.message) == ("skipped", "no such engine")
    assert failure.hint == "install it"
    assert all(len(found[name].runs) == 2 for name in ("other--fake", "third--fake"))
    assert answers.names().count("artifact") == 1  # further rounds would fail alike


def test_a_home_directory_stays_out_of_a_stored_reason(cases, folder, answers, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    answers.refuse = lambda job: EngineError("/home/somebody/x.onnx is broken")
    ((_, record),) = run_cases(cases[:1], SUITE, folder=folder)
    assert record.failure.message == "~/x.onnx is broken"


def test_a_crash_of_the_engine_is_a_failed_record_with_a_reason(
    cases, folder, tmp_path, monkeypatch
):
    """The engine of this worker ends its process while it executes, as a segfault would."""
    (tmp_path / "crashing_worker.py").write_text(
        "import os\n"
        "from scunext_edge import isolate\n"
        "from scunext_edge.benchmarks import worker\n"
        "from scunext_edge.runtime.backends.fake import FakeRunner\n"
        "FakeRunner.execute = lambda self: os.abort()\n"
        "isolate.serve(worker.work)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ((_, record),) = run_cases(cases[:1], SUITE, folder=folder, worker="crashing_worker")
    assert record.failure.kind == "EngineError"
    assert record.failure.status == "failed"
    assert "SIGABRT" in record.failure.message
    assert record.runs == ()
    assert records.load(folder / "tiny--fake--compute.measurement.json") == record


def test_a_process_that_takes_too_long_is_stopped_and_its_case_has_failed(
    cases, folder, tmp_path, monkeypatch
):
    (tmp_path / "endless_worker.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    suite = replace(SUITE, timeout_s=0.2)
    ((_, record),) = run_cases(cases[:1], suite, folder=folder, worker="endless_worker")
    assert record.failure.kind == "EngineError"
    assert "it took too long" in record.failure.message


def test_finished_rounds_are_not_done_again(cases, folder, answers):
    first = {case.name: record for case, record in run_cases(cases, SUITE, folder=folder)}
    answers.jobs.clear()
    again = {case.name: record for case, record in run_cases(cases, SUITE, folder=folder)}
    assert answers.jobs == []
    assert again == first


def test_an_interruption_keeps_what_was_finished_and_is_continued(cases, folder, answers):
    class Interruption(KeyboardInterrupt):
        pass

    answers.refuse = lambda job: Interruption() if len(answers.jobs) == 5 else None
    with pytest.raises(Interruption):
        list(run_cases(cases, SUITE, folder=folder))
    stored = [records.load(path) for path in sorted(folder.iterdir())]
    assert sum(len(record.runs) for record in stored) == 4
    answers.refuse = lambda job: None
    answers.jobs.clear()
    found = [record for _, record in run_cases(cases, SUITE, folder=folder)]
    assert [len(record.runs) for record in found] == [2, 2, 2]
    assert len(answers.jobs) == 2 + 1 + 3  # the rounds that were missing, control, memory


def test_more_rounds_are_added_to_those_at_hand(cases, folder, answers):
    list(run_cases(cases[:1], SUITE, folder=folder))
    answers.jobs.clear()
    ((_, record),) = run_cases(cases[:1], replace(SUITE, rounds=3), folder=folder)
    assert (len(record.runs), len(answers.jobs)) == (3, 2)


def test_a_failed_case_is_tried_again_next_time(cases, folder, answers):
    answers.refuse = lambda job: EngineError("not today") if len(answers.jobs) == 2 else None
    ((_, failed),) = run_cases(cases[:1], SUITE, folder=folder)
    assert len(failed.runs) == 1
    answers.refuse = lambda job: None
    ((_, record),) = run_cases(cases[:1], SUITE, folder=folder)
    assert record.failure is None
    assert record.runs[0] == failed.runs[0]
    assert len(record.runs) == 2


@pytest.mark.parametrize("change", [{"values": 4}, {"threads": 2}, {"batch": 2}, {"warmup": 2}])
def test_another_plan_or_subject_begins_anew(cases, folder, answers, change):
    list(run_cases(cases[:1], SUITE, folder=folder))
    answers.jobs.clear()
    list(run_cases(cases[:1], replace(SUITE, **change), folder=folder))
    assert len(answers.jobs) == 4


def test_another_region_has_a_record_of_its_own(cases, folder, answers):
    list(run_cases(cases[:1], SUITE, folder=folder))
    list(run_cases(cases[:1], replace(SUITE, region="transfer"), folder=folder))
    assert sorted(path.name for path in folder.iterdir()) == [
        "tiny--fake--compute.measurement.json",
        "tiny--fake--transfer.measurement.json",
    ]


def test_a_record_of_another_machine_begins_anew(cases, folder, answers):
    list(run_cases(cases[:1], SUITE, folder=folder))
    (path,) = folder.iterdir()
    data = json.loads(path.read_text())
    for run in data["runs"]:
        run["environment"]["machine"]["cpu_model"] = "another"
    path.write_text(json.dumps(data))
    answers.jobs.clear()
    list(run_cases(cases[:1], SUITE, folder=folder))
    assert len(answers.jobs) == 4


def test_a_record_of_another_engine_version_begins_anew(cases, folder, answers):
    list(run_cases(cases[:1], SUITE, folder=folder))
    answers.jobs.clear()
    answers.version = "2.0"
    newer = replace(cases[0], backend_version="2.0")
    ((_, record),) = run_cases([newer], SUITE, folder=folder)
    assert len(answers.jobs) == 4
    assert record.subject.backend_version == "2.0"


def test_an_engine_that_changes_while_it_is_measured_is_a_failure(cases, folder, answers):
    list(run_cases(cases[:1], SUITE, folder=folder))
    answers.version = "2.0"
    ((_, record),) = run_cases(cases[:1], replace(SUITE, rounds=3), folder=folder)
    assert record.failure.kind == "MeasurementError"
    assert "1.0" in record.failure.message
    assert "2.0" in record.failure.message
    assert len(record.runs) == 2


def test_a_record_of_an_unknown_schema_is_not_overwritten(cases, folder, answers):
    folder.mkdir()
    path = folder / "tiny--fake--compute.measurement.json"
    path.write_text('{"schema": 99, "kind": "measurement"}')
    with pytest.raises(ArtifactError, match="schema 99"):
        list(run_cases(cases, SUITE, folder=folder))
    assert "99" in path.read_text()
    assert answers.jobs == []


def test_two_cases_of_one_name_are_refused(cases, folder):
    with pytest.raises(ConfigError, match="same name"):
        list(run_cases([cases[0], cases[0]], SUITE, folder=folder))


def test_half_a_record_is_never_left(cases, folder, answers):
    list(run_cases(cases, SUITE, folder=folder))
    assert not list(folder.glob(".*"))


# --- cold starts


COLD = replace(SUITE, cold_starts=3, memory=False)


def test_cold_starts_are_processes_of_their_own_module_after_all_others(cases, folder, answers):
    ((_, record),) = run_cases(cases[:1], COLD, folder=folder)
    assert [job["kind"] for job in answers.jobs] == ["latency"] * 3 + ["cold"] * 3
    assert answers.modules == [WORKER] * 3 + [COLD_WORKER] * 3
    assert [start.total_ms for start in record.cold] == [8.0] * 3
    assert {start.page_cache for start in record.cold} <= {"dropped", "partly dropped", "unknown"}
    assert {"photograph", "spawned_ns"} <= set(answers.jobs[-1]) - set(answers.jobs[0])


def test_cold_starts_that_are_there_are_not_done_again(cases, folder, answers):
    list(run_cases(cases[:1], replace(COLD, cold_starts=1), folder=folder))
    answers.jobs.clear()
    ((_, record),) = run_cases(cases[:1], COLD, folder=folder)
    assert [job["kind"] for job in answers.jobs] == ["cold", "cold"]
    assert len(record.cold) == 3
    assert records.load(folder / "tiny--fake--compute.measurement.json") == record


def test_files_of_the_model_and_the_engine_are_dropped_before_a_cold_start(
    cases, folder, answers, monkeypatch, tmp_path
):
    dropped = []
    monkeypatch.setattr(schedule, "engine_files", lambda backend: [tmp_path / backend])
    monkeypatch.setattr(schedule, "drop_files", lambda paths: dropped.append(paths) or "dropped")
    ((_, record),) = run_cases(cases[:1], replace(COLD, cold_starts=1), folder=folder)
    ((*files, engine),) = dropped
    assert {path.name for path in files} == {"card.json", "model.onnx"}
    assert engine == tmp_path / "fake"
    assert record.cold[0].page_cache == "dropped"


# --- scenarios


CLINIC = replace(SUITE, scenario="clinic", interval_s=0.05, memory=False)
SOAK = replace(SUITE, scenario="soak", duration_s=0.2, rounds=1, memory=False)


def test_each_scenario_has_a_record_of_its_own_and_is_continued(cases, folder, answers):
    list(run_cases(cases[:1], SUITE, folder=folder))
    list(run_cases(cases[:1], CLINIC, folder=folder))
    assert sorted(path.name for path in folder.iterdir()) == [
        "tiny--fake--compute--clinic.measurement.json",
        "tiny--fake--compute.measurement.json",
    ]
    answers.jobs.clear()
    list(run_cases(cases[:1], SUITE, folder=folder))
    list(run_cases(cases[:1], CLINIC, folder=folder))
    assert answers.jobs == []
    list(run_cases(cases[:1], replace(CLINIC, interval_s=0.06), folder=folder))
    assert len(answers.jobs) == 3


def test_the_time_limit_is_beyond_what_a_plan_must_take(cases, folder, answers):
    suite = replace(CLINIC, values=10, interval_s=90.0, timeout_s=60)
    list(run_cases(cases[:1], suite, folder=folder))
    assert set(answers.timeouts) == {960}


def test_a_soak_in_a_real_process_leaves_windows_in_its_record_only(cases, folder):
    ((_, record),) = run_cases(cases[:1], SOAK, folder=folder)
    assert record.failure is None
    assert len(record.runs[0].soak.windows) > 1
    assert [path.name for path in folder.iterdir()] == [
        "tiny--fake--compute--soak.measurement.json"
    ]
    assert records.load(next(folder.iterdir())) == record


def test_a_soak_has_no_control(cases, folder, answers):
    list(run_cases(cases, SOAK, folder=folder))
    assert [job["kind"] for job in answers.jobs] == ["latency"] * 3


def windows_of(job):
    """As a soak leaves them that ends in the middle of its third window's line."""
    window = {
        "start_s": 0.0, "calls": 3, "p50_ns": 1, "p95_ns": 2, "max_ns": 3, "resident_bytes": [9],
    }  # fmt: skip
    path = records.Path(job["windows"])
    path.parent.mkdir(exist_ok=True)
    line = json.dumps(window)
    path.write_text(f"{line}\n{line}\n{line[:20]}")


@pytest.mark.parametrize("end", [EngineError("killed by SIGKILL"), KeyboardInterrupt()])
def test_a_soak_that_ends_before_its_time_keeps_its_windows(cases, folder, answers, end):
    answers.before = windows_of
    answers.refuse = lambda job: end
    if isinstance(end, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            list(run_cases(cases[:1], SOAK, folder=folder))
    else:
        list(run_cases(cases[:1], SOAK, folder=folder))
    (path,) = folder.iterdir()
    record = records.load(path)
    assert (len(record.unfinished.windows), record.runs) == (2, ())
    assert record.unfinished.windows[0].resident_bytes == (9,)
    answers.refuse = lambda job: None
    ((_, record),) = run_cases(cases[:1], SOAK, folder=folder)
    assert (record.unfinished, len(record.runs)) == (None, 1)
    assert list(folder.iterdir()) == [path]


def test_an_interruption_before_the_first_window_leaves_nothing(cases, folder, answers):
    answers.refuse = lambda job: KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        list(run_cases(cases[:1], SOAK, folder=folder))
    assert not folder.exists()


def test_a_machine_that_tells_no_energy_says_why_without_a_process(
    cases, folder, answers, monkeypatch
):
    why = energy.Unreadable(reason="there is no meter", hint="buy one")
    monkeypatch.setattr(schedule._Session, "_unreadable", staticmethod(lambda device: why))
    ((case, record),) = run_cases(cases[:1], replace(SUITE, energy_s=1), folder=folder)
    assert record.energy == why
    assert record.subject.precision_ran == "fp32"
    assert "energy" not in {job["kind"] for job in answers.jobs}
    assert records.load(folder / f"{case.name}--compute.measurement.json") == record


def test_energy_is_taken_in_a_process_of_its_own_once(cases, folder, answers, monkeypatch):
    monkeypatch.setattr(schedule._Session, "_unreadable", staticmethod(lambda device: None))
    suite = replace(SUITE, energy_s=1.5)
    ((_, record),) = run_cases(cases[:1], suite, folder=folder)
    assert record.energy == ENERGY
    asked = [job for job in answers.jobs if job["kind"] == "energy"]
    assert [job["energy_s"] for job in asked] == [1.5]
    list(run_cases(cases[:1], suite, folder=folder))
    assert len([job for job in answers.jobs if job["kind"] == "energy"]) == 1
