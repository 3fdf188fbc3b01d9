"""Real trials in real processes: finished once, resumed, killed, refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from scunext_edge.artifacts import load
from scunext_edge.errors import ConfigError, DataError, EngineError, StorageError
from scunext_edge.experiments import local, worker
from scunext_edge.experiments import run as running
from scunext_edge.experiments.results import finished, load_results
from scunext_edge.experiments.run import folder_of, job_of, look, run
from scunext_edge.storage import read_json, write_json

pytestmark = pytest.mark.slow  # real trainings that are killed: `make test-long`


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The files of one finished experiment, for tests that need one: copied, never changed."""
    return tmp_path_factory.mktemp("done")


@pytest.fixture
def finished_run(done, planned, settings):
    """A plan of one trial that was made, its results file and its folder."""
    plan, chosen = planned(), settings()
    if not any(done.iterdir()):
        run(plan, plan.trials, chosen)
        shutil.copytree(chosen.out, done / "out")
        shutil.copy(chosen.record, done / "record.json")
    else:
        shutil.copytree(done / "out", chosen.out, dirs_exist_ok=True)
        shutil.copy(done / "record.json", chosen.record)
    return plan, chosen


def test_further_scores_stand_beside_dice_and_iou_of_every_image(planned, finished_run):
    """A record of the same key that lacks them is completed; the network is not trained again."""
    pytest.importorskip("monai")
    _, chosen = finished_run
    plan = planned(scores=["hd95", "threshold"])
    chosen = replace(chosen, record=chosen.out / "further.json")
    (trial,) = plan.trials
    folder = folder_of(chosen.out, trial)
    before = (folder / "training" / "log.csv").read_text()
    (folder / "training" / "state.safetensors").unlink()  # nothing is to go on
    by_another = {**read_json(folder / "trial.json"), "threads": 7, "code": "other"}
    write_json(folder / "trial.json", by_another)
    chosen = replace(chosen, other_code="keep")
    assert look(plan, plan.trials, chosen).missing == [trial]
    run(plan, plan.trials, chosen)
    (record,) = load_results(chosen.record).trials
    assert (record["threads"], record["code"]) == (7, "other")  # who trained it, not who scored it
    assert (folder / "training" / "log.csv").read_text() == before
    assert not (folder / "masks").exists()
    values = record["images"].values()
    assert [len(each) for each in values] == [6] * 6
    assert record["hd95"] == pytest.approx(sum(it[2] for it in values) / 6, abs=1e-3)
    assert 0 < record["threshold"] < 1
    assert record["dice_at_threshold"] == pytest.approx(sum(it[4] for it in values) / 6, abs=1e-4)
    assert record["iou_at_threshold"] == pytest.approx(sum(it[5] for it in values) / 6, abs=1e-4)
    for _, _, hd95, share, _, _ in values:
        assert share == pytest.approx(hd95 / (40**2 + 48**2) ** 0.5, abs=1e-4)
    assert look(plan, plan.trials, chosen).missing == []


def test_a_trial_that_goes_on_under_another_code_is_of_the_one_that_began_it(
    planned, settings, monkeypatch
):
    plan, chosen = planned(), settings(other_code="keep")
    (trial,) = plan.trials
    folder = folder_of(chosen.out, trial)
    write_json(folder / "job.json", {"key": trial.key, "code": "other"})
    assert running._begun_by(trial, chosen.out) == {}  # nothing was trained by it
    (folder / "training").mkdir()
    (folder / "training" / "log.csv").write_text("epoch\n1\n")
    made = []
    monkeypatch.setattr(running, "run_local", lambda jobs, **_: made.extend(jobs) or [])
    run(plan, plan.trials, chosen)
    ((job, _),) = made
    assert job["begun_code"] == "other"
    write_json(folder / "job.json", job)
    assert running._begun_by(trial, chosen.out) == {"begun_code": "other"}  # and a third time
    with pytest.raises(ConfigError, match="other code"):
        look(plan, plan.trials, replace(chosen, other_code="ask"))


def refuse(*_, **__):
    raise AssertionError("nothing was left to make")


def test_a_record_says_all_that_decided_it_and_every_score(finished_run):
    plan, chosen = finished_run
    (trial,) = plan.trials
    (record,) = load_results(chosen.record).trials
    assert set(record["images"]) == {*trial.cut.split.test}
    dice = [dice for dice, _ in record["images"].values()]
    assert record["dice"] == pytest.approx(sum(dice) / len(dice), abs=1e-5)
    assert record["counts"] == {"train": 16, "val": 2, "test": 6}
    assert record["hashes"] == dict(trial.cut.hashes)
    assert (record["recipe"]["seed"], record["recipe"]["epochs"]) == (1, 2)
    assert record["params"] == 253_561
    for name in (
        "code",
        "tool",
        "versions",
        "machine",
        "seconds",
        "epoch",
        "curve",
        "macs",
        "iou_pooled",
    ):
        assert record[name] is not None


def test_what_is_in_the_results_file_is_not_made_again_wherever_it_was_made(
    finished_run, monkeypatch
):
    plan, chosen = finished_run
    shutil.rmtree(chosen.out / "trials")
    monkeypatch.setattr(local, "begin", refuse)
    run(plan, plan.trials, chosen)
    assert look(plan, plan.trials, chosen).missing == []


def test_what_is_in_the_folder_alone_comes_into_the_results_file(finished_run, monkeypatch):
    plan, chosen = finished_run
    chosen.record.unlink()
    monkeypatch.setattr(local, "begin", refuse)
    run(plan, plan.trials, chosen)
    assert len(finished(chosen.record, plan.terms)) == 1


def test_a_row_of_another_recipe_under_the_same_name_is_refused(finished_run):
    plan, chosen = finished_run
    trial = plan.trials[0]
    other = replace(trial, recipe=replace(trial.recipe, lr=trial.recipe.lr / 2))
    changed = replace(plan, trials=(other, *plan.trials[1:]))
    with pytest.raises(ConfigError, match=f"another recipe.*{trial.name}"):
        look(changed, changed.trials[1:], chosen)


def test_trials_of_other_code_wait_for_a_word(finished_run, monkeypatch):
    plan, chosen = finished_run
    monkeypatch.setattr(running, "code_digest", lambda model: "other")
    with pytest.raises(ConfigError, match="other code") as caught:
        run(plan, plan.trials, chosen)
    assert "--other-code keep" in caught.value.hint
    assert look(plan, plan.trials, replace(chosen, other_code="keep")).missing == []
    redo = replace(chosen, other_code="redo")
    assert look(plan, plan.trials, redo).missing == list(plan.trials)
    running._clear(plan.trials, redo)
    assert not folder_of(chosen.out, plan.trials[0]).exists()


def test_a_finished_trial_tells_how_long_another_of_its_kind_takes(finished_run):
    plan, chosen = finished_run
    state = look(plan, plan.trials, chosen)
    (trial,) = plan.trials
    speed = state.done[trial.key]["images_per_s"]
    assert state.seconds(trial) == pytest.approx(2 * 16 / speed)
    halved = replace(trial, recipe=replace(trial.recipe, size=64, halved=0.8))
    assert state.seconds(halved) == pytest.approx(0.4 * 2 * 16 / speed)


def test_a_killed_trial_is_started_again_at_its_last_epoch(planned, settings, watch):
    plan, chosen = planned(recipe={"epochs": 6}), settings()
    kept = []

    def kill_once():
        kept.extend(watch.wait_for(lambda: watch.log_of(chosen.out, epochs=2)))
        ((pid, _),) = watch.workers_of(chosen.out)
        watch.kill(pid)

    killer = threading.Thread(target=kill_once)
    killer.start()
    run(plan, plan.trials, chosen)
    killer.join()
    assert len(load_results(chosen.record).trials) == 1
    log = watch.log_of(chosen.out, epochs=6)
    assert log[0] == kept[0]  # to the nanosecond: it was not made again


def test_a_trial_ends_with_who_started_it_and_its_epochs_are_known(
    planned, settings, watch, tmp_path
):
    plan, chosen = planned(recipe={"epochs": 30}), settings()
    script = (
        "import sys, time; from pathlib import Path; from scunext_edge.experiments import launch;"
        "import json; launch.begin(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]));"
        "time.sleep(600)"
    )
    (trial,) = plan.trials
    folder = folder_of(chosen.out, trial)
    write_json(tmp_path / "job.json", job_of(plan, trial, chosen))
    starter = subprocess.Popen([sys.executable, "-c", script, tmp_path / "job.json", folder])
    try:
        watch.wait_for(lambda: watch.log_of(chosen.out))
    finally:
        starter.kill()
        starter.wait()
    watch.wait_for(lambda: not watch.workers_of(chosen.out))
    assert 1 <= look(plan, plan.trials, chosen).begun[trial.key] < 30


def test_a_trial_is_as_nice_as_who_started_it(planned, settings, monkeypatch):
    if not Path("/proc/self/autogroup").exists():
        pytest.skip("sessions have no share of their own here")
    plan, chosen = planned(), settings()
    monkeypatch.setattr(os, "getpriority", lambda kind, of: 7)
    (trial,) = plan.trials
    child = local.begin(job_of(plan, trial, chosen), folder_of(chosen.out, trial))
    try:
        told = Path(f"/proc/{child.process.pid}/autogroup").read_text()
    finally:
        child.stop()
    assert told.endswith("nice 7\n")


def test_one_trial_that_fails_costs_no_other(planned, settings):
    plan, chosen = planned(models=("unext", "scunext")), settings(workers=2)
    broken = folder_of(chosen.out, plan.trials[1])
    (broken / "training").mkdir(parents=True)
    (broken / "training" / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(EngineError, match="1 of 2 trials could not be made: scunext/split1"):
        run(plan, plan.trials, chosen)
    assert [one["name"] for one in load_results(chosen.record).trials] == ["unext/split1"]


def test_a_disk_that_is_full_ends_everything_in_words(planned, settings, monkeypatch):
    resource = pytest.importorskip("resource")
    plan, chosen = planned(models=("unext", "scunext")), settings()
    started = []

    def begin_with_little_room(job, folder):
        started.append(job["name"])
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            return real(job, folder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    real = local.begin
    monkeypatch.setattr(local, "begin", begin_with_little_room)
    with pytest.raises(StorageError, match="unext/split1: cannot write"):
        run(plan, plan.trials, chosen)
    assert started == ["unext/split1"]


def test_images_that_changed_since_the_plan_are_refused(planned, settings, tmp_path):
    plan = planned()
    job = job_of(plan, plan.trials[0], settings())
    job = {**job, "hashes": {**job["hashes"], "train": "other"}}
    with pytest.raises(DataError, match="not those that were planned"):
        worker.make(job, tmp_path)


def test_code_that_changed_under_an_experiment_is_refused(planned, settings, tmp_path):
    plan = planned()
    with pytest.raises(ConfigError, match="the code changed"):
        worker.make({**job_of(plan, plan.trials[0], settings()), "code": "other"}, tmp_path)


@pytest.mark.slow
def test_two_devices_share_a_trial_and_its_batch(planned, settings):
    plan, chosen = planned(devices=2), settings()
    run(plan, plan.trials, chosen)
    (record,) = load_results(chosen.record).trials
    assert (record["devices"], record["recipe"]["batch"], len(record["images"])) == (2, 2, 6)


TAUGHT = [
    {"name": "large", "model": "unext-l"},
    {"name": "small", "model": "unext", "teacher": "large", "recipe": {"distil": 1.0}},
]


def test_a_teacher_is_made_first_and_again_where_its_weights_are_gone(planned, settings):
    plan, chosen = planned(arms=TAUGHT, recipe={"epochs": 1}), settings(workers=2)
    large, small = plan.trials
    with pytest.raises(ConfigError, match="learns from large/split1") as caught:
        look(plan, [small], chosen)
    assert "add large to --models" in caught.value.hint
    run(plan, plan.trials, chosen)
    told = load_network_card(folder_of(chosen.out, small))
    assert [each["model"] for each in told["start"]["teachers"]] == ["unext-l"]
    shutil.rmtree(folder_of(chosen.out, large))
    assert look(plan, plan.trials, chosen).missing == []
    shutil.rmtree(folder_of(chosen.out, small))
    chosen.record.unlink()
    run(plan, [large], chosen)
    shutil.rmtree(folder_of(chosen.out, large))
    assert look(plan, plan.trials, chosen).missing == [large, small]


def load_network_card(folder):
    return load(folder / "training" / "best").card.details["training"]


def test_a_student_whose_teacher_failed_is_not_made_without_one(planned, settings, monkeypatch):
    plan, chosen = planned(arms=TAUGHT), settings()
    made = []

    def fail(jobs, **_):
        made.extend(job["name"] for job, _ in jobs)
        return [EngineError("it broke") for _ in jobs]

    monkeypatch.setattr(running, "run_local", fail)
    with pytest.raises(EngineError, match=r"2 of 2 trials could not be made.*no teacher"):
        run(plan, plan.trials, chosen)
    assert made == ["large/split1"]
