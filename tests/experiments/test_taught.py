"""What a taught trial asks of its teachers, told by files alone: nothing is trained here."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from scunext_edge.errors import ConfigError, EngineError
from scunext_edge.experiments import run as running
from scunext_edge.experiments import worker
from scunext_edge.experiments.outlines import code_of_hd95
from scunext_edge.experiments.results import add
from scunext_edge.experiments.run import folder_of, job_of, look, run
from scunext_edge.models import registry
from scunext_edge.models.checkpoint import save_network
from scunext_edge.spec import ModelSpec
from scunext_edge.storage import write_json

TAUGHT = [
    {"name": "large", "model": "unext-l"},
    {"name": "small", "model": "unext", "teacher": "large", "recipe": {"distil": 1.0}},
]


@pytest.fixture
def taught(planned, settings):
    """A plan of a teacher and its student, of two epochs each, and settings."""
    return planned(arms=TAUGHT), settings()


def leave(out, trial, *, epochs, recorded=False, code=None, **further):
    """What a trial of so many epochs has left in its folder."""
    folder = folder_of(out, trial)
    (folder / "training" / "best").mkdir(parents=True, exist_ok=True)
    (folder / "training" / "log.csv").write_text("epoch\n" + "1\n" * epochs)
    held = {"key": trial.key, "name": trial.name, "code": code or running._code(trial)}
    held |= {"images": {}, **further}
    write_json(folder / "job.json", held)
    if recorded:
        write_json(folder / "trial.json", held)
    return held


def test_a_teacher_that_was_cut_short_does_not_teach(taught):
    plan, asked = taught
    large, small = plan.trials
    leave(asked.out, large, epochs=1)
    with pytest.raises(ConfigError, match="large/split1, which is not trained to its end"):
        look(plan, [small], asked)
    leave(asked.out, large, epochs=2)
    assert look(plan, [small], asked).missing == [small]


def test_a_teacher_whose_record_is_kept_but_whose_weights_are_not_final_goes_on(taught):
    plan, asked = taught
    large, small = plan.trials
    held = leave(asked.out, large, epochs=1)
    add(asked.record, plan.terms, [{**held, "curve": None}])
    state = look(plan, plan.trials, asked)
    assert state.missing == [large, small]
    assert state.begun[large.key] == 1


def test_no_student_is_made_beside_a_teacher_that_failed_after_its_first_epoch(taught, monkeypatch):
    plan, asked = taught
    made = []

    def fail(jobs, **_):
        made.extend(job["name"] for job, _ in jobs)
        leave(asked.out, plan.trials[0], epochs=1)
        return [EngineError("it broke") for _ in jobs]

    monkeypatch.setattr(running, "run_local", fail)
    with pytest.raises(EngineError, match=r"2 of 2 trials could not be made.*no teacher"):
        run(plan, plan.trials, asked)
    assert made == ["large/split1"]


def test_a_trial_is_of_other_code_if_its_teacher_is(taught):
    plan, asked = taught
    large, small = plan.trials
    leave(asked.out, large, epochs=2, recorded=True, code="other")
    leave(asked.out, small, epochs=2, recorded=True)
    with pytest.raises(ConfigError, match=r"1 trials, or those that teach them.*small/split1"):
        look(plan, [small], asked)
    assert look(plan, [small], replace(asked, other_code="keep")).missing == []
    redo = replace(asked, other_code="redo")
    with pytest.raises(ConfigError, match="large/split1, which is of other code"):
        look(plan, [small], redo)
    assert look(plan, plan.trials, redo).missing == [large, small]
    running._clear(plan.trials, redo)
    assert not any(folder_of(asked.out, each).exists() for each in plan.trials)


def test_a_record_remembers_the_code_of_a_teacher_that_was_made_anew(taught):
    plan, asked = taught
    large, small = plan.trials
    leave(asked.out, large, epochs=2, recorded=True)
    leave(asked.out, small, epochs=2, recorded=True, teacher_codes=["other"])
    with pytest.raises(ConfigError, match="small/split1 among them"):
        look(plan, plan.trials, asked)
    assert look(plan, plan.trials, replace(asked, other_code="redo")).missing == [small]


def test_a_job_says_by_what_code_its_teachers_were_made(taught, monkeypatch):
    plan, asked = taught
    large, small = plan.trials
    leave(asked.out, large, epochs=2, recorded=True, code="other")
    jobs = []

    def make(given, **_):
        jobs.extend(job for job, _ in given)
        return []

    monkeypatch.setattr(running, "run_local", make)
    run(plan, [small], replace(asked, other_code="keep"))
    assert [job["teacher_codes"] for job in jobs] == [["other"]]


def save(folder, *, teachers=()):
    """Weights of a network, as a run of these teachers keeps them."""
    start = {"start": {"teachers": [{"model": "unext", "id": each.id} for each in teachers]}}
    return save_network(
        registry.build("unext"),
        folder,
        model="unext",
        spec=ModelSpec(size=32),
        details={"training": start if teachers else {}},
    )


def test_a_run_whose_teacher_has_other_weights_by_now_is_begun_anew(taught, tmp_path, monkeypatch):
    plan, asked = taught
    small = plan.trials[1]
    teacher = save(tmp_path / "teacher")
    job = {**job_of(plan, small, asked), "teachers": [str(tmp_path / "teacher")]}
    run_folder = tmp_path / "trial" / "training"
    save(run_folder / "last", teachers=[teacher])
    (run_folder / "state.safetensors").touch()
    resumed = []

    def train(job, *, resume):
        resumed.append((resume, run_folder.exists()))
        raise EngineError("far enough")

    monkeypatch.setattr("scunext_edge.training.train.train", train)
    for _ in range(2):
        with pytest.raises(EngineError, match="far enough"):
            worker.make(job, tmp_path / "trial")
        shutil.rmtree(tmp_path / "teacher")
        save(tmp_path / "teacher")  # trained anew
    assert resumed == [(True, True), (False, False)]


def test_a_record_of_another_experiment_gets_the_names_of_this_one(planned, settings):
    """With one folder for both, the row ``fast`` of presets is ``scunext`` of table1."""
    plan, asked = planned(arms=[{"name": "fast", "model": "unext"}]), settings()
    (trial,) = plan.trials
    leave(asked.out, trial, epochs=2, recorded=True, arm="unext", cut="other")
    found = look(plan, plan.trials, asked).done[trial.key]
    assert (found["name"], found["arm"], found["cut"]) == ("fast/split1", "fast", "split1")


def test_who_is_only_scored_again_needs_no_teacher(planned, settings):
    plan, asked = planned(arms=TAUGHT, scores=["threshold"]), settings()
    small = plan.trials[1]
    leave(asked.out, small, epochs=2, recorded=True)
    assert look(plan, [small], asked).missing == [small]
    shutil.rmtree(folder_of(asked.out, small) / "training")
    with pytest.raises(ConfigError, match="large/split1"):
        look(plan, [small], asked)


def test_hd95_by_other_code_is_measured_again(planned, settings):
    plan, asked = planned(scores=["hd95"]), settings()
    (trial,) = plan.trials
    now = code_of_hd95()
    for code, missing in ((now, []), ("other", [trial])):
        leave(asked.out, trial, epochs=2, recorded=True, hd95=1.0, hd95_code=code)
        assert look(plan, plan.trials, asked).missing == missing
    assert look(planned(), planned().trials, asked).missing == []
    shutil.rmtree(folder_of(asked.out, trial) / "training")
    assert look(plan, plan.trials, asked).missing == []  # it would have to be trained again
