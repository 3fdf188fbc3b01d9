from __future__ import annotations

import contextlib
import itertools
import json
import os

import pytest

from scunext_edge import isolate
from scunext_edge.benchmarks import energy, records, worker
from scunext_edge.benchmarks.passport import window
from scunext_edge.benchmarks.picture import PHOTOGRAPH, photograph
from scunext_edge.data.images import read_image
from scunext_edge.errors import ArtifactError, BackendUnavailable, ConfigError

PLAN = {"region": "compute", "warmup": 2, "values": 3, "budget_s": None}


@pytest.fixture
def job(artifact, tmp_path):
    return {
        "windows": str(tmp_path / "records" / "tiny.windows.jsonl"),
        "kind": "latency",
        "artifact": str(artifact.directory),
        "backend": "fake",
        "device": "cpu",
        "threads": 1,
        "batch": 1,
        "cpus": [],
        "seed": 0,
        "asks_precision": True,
        "plan": PLAN,
    }


@pytest.mark.parametrize("region", ["compute", "transfer", "end_to_end"])
def test_a_latency_job_answers_with_raw_nanoseconds(job, region):
    answer = worker.work({**job, "plan": {**PLAN, "region": region}})
    run = answer["run"]
    assert (len(run["warmup_ns"]), len(run["values_ns"])) == (2, 3)
    assert all(isinstance(value, int) and value > 0 for value in run["values_ns"])
    assert set(run["environment"]) == {"before", "after", "versions"}
    assert answer["precision_ran"] == "fp32"
    assert answer["backend_version"]
    assert "memory" not in answer


def test_a_burst_answers_with_the_end_of_every_call(job):
    plan = {**PLAN, "scenario": "burst", "interval_s": 1.0, "burst": 4}
    run = worker.work({**job, "batch": 2, "plan": plan})["run"]
    assert [len(ends) for ends in run["masks_ns"]] == [2, 2, 2]
    assert run["evicted_bytes"] > 0
    assert run["harness_ns"] > 0


def test_a_soak_leaves_each_window_in_a_file_as_it_ends(job):
    plan = {**PLAN, "scenario": "soak", "duration_s": 0.2}
    path = records.Path(job["windows"])
    path.parent.mkdir()
    path.write_text("of an earlier soak\n")
    run = worker.work({**job, "plan": plan})["run"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == json.loads(json.dumps(run["soak"]["windows"]))
    assert records.window_from_json(lines[0]).calls > 0


def test_the_engine_is_asked_for_its_precision_only_where_it_is_not_known(job):
    assert worker.work({**job, "asks_precision": False})["precision_ran"] is None


def test_a_memory_job_takes_no_time(job, monkeypatch):
    monkeypatch.setattr(worker, "take", lambda *a, **k: pytest.fail("took time"))
    answer = worker.work({**job, "kind": "memory"})
    assert "run" not in answer
    assert answer["memory"]["peak_bytes"] >= answer["memory"]["baseline_bytes"] > 0


def test_conditions_are_read_only_before_and_after_time_is_taken(job, monkeypatch):
    seen = []
    real = worker.take

    def recorded(*arguments, **settings):
        seen.append("begin")
        samples = real(*arguments, **settings)
        seen.append("end")
        return samples

    monkeypatch.setattr(worker, "take", recorded)
    looked = window.conditions
    monkeypatch.setattr(
        window, "conditions", lambda *a, **k: seen.append("look") or looked(*a, **k)
    )
    worker.work(job)
    assert seen == ["look", "begin", "end", "look"]


def test_an_energy_job_takes_neither_time_nor_memory_into_account(job, monkeypatch):
    """A counter that tells 5 mJ more at every look."""
    looks = itertools.count(0, 5000)

    class Meter:
        name, total_of = "meter", ("all",)

        def read(self):
            return {"all": float(next(looks))}

        def samples(self):
            return None

    monkeypatch.setattr(worker, "take", lambda *a, **k: pytest.fail("took time"))
    monkeypatch.setattr(worker.energy, "opened", lambda device: contextlib.nullcontext(Meter()))
    answer = worker.work({**job, "kind": "energy", "energy_s": 0.01, "batch": 2})
    assert "run" not in answer
    found = energy.from_json(answer["energy"])
    assert (found.rails_uj, found.idle_rails_uj) == ({"all": 5000.0}, {"all": 5000.0})
    assert found.images == 2 * found.calls >= 6
    assert found.mj_per_image == pytest.approx(5 / found.images)


def test_the_answer_crosses_the_border_of_a_process(job):
    answer = isolate.call("scunext_edge.benchmarks.worker", job, timeout_s=60)
    assert len(answer["run"]["values_ns"]) == 3


def test_an_error_of_ours_crosses_it_as_what_it_is(job):
    with pytest.raises(BackendUnavailable, match="tpu"):
        isolate.call("scunext_edge.benchmarks.worker", {**job, "device": "tpu"}, timeout_s=60)


def test_an_altered_artifact_is_not_measured(job, artifact):
    artifact.file(".onnx").write_bytes(b"something else")
    with pytest.raises(ArtifactError, match="altered"):
        worker.work(job)


def test_a_cpu_that_is_not_ours_is_refused(job):
    with pytest.raises(ConfigError, match=r"\[4095\]"):
        worker.work({**job, "cpus": [4095]})


def test_a_process_is_pinned_where_it_was_asked_to_be(job):
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system cannot pin")
    cpu = min(os.sched_getaffinity(0))
    job = {**job, "cpus": [cpu]}
    answer = isolate.call("scunext_edge.benchmarks.worker", job, timeout_s=60)
    assert answer["run"]["environment"]["before"]["cpus_allowed"] == 1


def test_the_photograph_is_the_same_every_time_and_of_its_stated_size():
    assert photograph(3) == photograph(3) != photograph(4)
    assert read_image(photograph(3)).shape == (*PHOTOGRAPH, 3)


def test_the_answer_is_json(job):
    assert json.loads(json.dumps(worker.work(job)))


def test_environment_variables_reach_the_child_before_anything_is_imported(tmp_path):
    (tmp_path / "telling.py").write_text(
        "import os\n"
        "threads = os.environ['OMP_NUM_THREADS']\n"
        "from scunext_edge import isolate\n"
        "isolate.serve(lambda job: threads)\n"
    )
    env = {"OMP_NUM_THREADS": "3", "PYTHONPATH": str(tmp_path)}
    assert isolate.call("telling", {}, env=env, timeout_s=60) == "3"
