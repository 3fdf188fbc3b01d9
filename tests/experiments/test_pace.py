from __future__ import annotations

import json
from dataclasses import replace

import pytest

from scunext_edge.experiments import run as running
from scunext_edge.experiments.pace import curve_of, pace_of, reached
from scunext_edge.experiments.text import told, written
from scunext_edge.training.log import Epoch, write_log

SLOW = {"val_dice": [0.1, 0.5, 0.7, 0.6], "seconds": [10.0, 20.0, 30.0, 40.0]}
QUICK = {"val_dice": [0.69, 0.7, 0.9, 0.8], "seconds": [60.0, 60.0, 60.0, 60.0]}


def with_curves(found, **curves):
    """Every trial of an arm with this curve, made on one machine."""
    machine = {"cpu": "Some CPU", "gpu": None, "accelerator": "cpu"}
    made = {"machine": machine, "threads": 1, "devices": 1}
    trials = [{**it, **made, "curve": curves[it["arm"]]} for it in found.trials]
    return replace(found, trials=tuple(trials))


def test_the_dice_is_the_best_of_the_slower_row_and_both_reach_it(made_up):
    pace = pace_of(with_curves(made_up.comparison(0.1, splits=(1,)), a=SLOW, b=QUICK))
    assert pace.dice == {"split1": 0.7}
    slow, quick = pace.rows
    assert (slow.epochs, slow.seconds, slow.of_seconds) == (3, 60, 100)
    assert (quick.epochs, quick.seconds, quick.of_seconds) == (2, 120, 240)
    assert (quick.of_epochs, quick.on) == (4, ("Some CPU, 1 thread",))


def test_each_split_has_a_dice_of_its_own(made_up):
    found = with_curves(made_up.comparison(0.1, splits=(1, 2)), a=SLOW, b=QUICK)
    lower = {**SLOW, "val_dice": [0.1, 0.2, 0.3, 0.4]}
    second = [{**it, "curve": lower} if it["name"] == "a/split2" else it for it in found.trials]
    pace = pace_of(replace(found, trials=tuple(second)))
    assert pace.dice == {"split1": 0.7, "split2": 0.4}
    assert [row.epochs for row in pace.rows] == [3.5, 1.5]


def test_a_dice_that_is_never_reached_has_no_time():
    assert reached(SLOW, 0.71) is None


def test_a_split_that_lacks_a_row_or_a_curve_tells_nothing(made_up):
    whole = with_curves(made_up.comparison(0.1), a=SLOW, b=QUICK)
    part = replace(whole, trials=(*whole.trials[:-1], {**whole.trials[-1], "curve": None}))
    assert set(pace_of(part).dice) == {"split1", "split2"}
    assert pace_of(made_up.comparison(0.1)) is None
    assert "Time to" not in written(made_up.comparison(0.1))


def test_times_of_two_machines_are_not_averaged(made_up):
    found = with_curves(made_up.comparison(0.1, splits=(1, 2)), a=SLOW, b=QUICK)
    gpu = {"cpu": "Some CPU", "gpu": "Some GPU", "accelerator": "cuda"}
    other = {**found.trials[0], "machine": gpu}
    slow, quick = pace_of(replace(found, trials=(other, *found.trials[1:]))).rows
    assert (slow.seconds, slow.of_seconds, slow.epochs) == (None, None, 3)
    assert slow.on == ("1 x Some GPU", "Some CPU, 1 thread")
    assert quick.seconds == 120


def test_the_text_and_the_data_tell_it(made_up):
    found = with_curves(made_up.comparison(0.1), a=SLOW, b=QUICK)
    text = written(found)
    assert "| `a` | 3.0 | 1.0 | 4 | 1.7 | Some CPU, 1 thread |" in text
    assert "(70.00 to 70.00 percent" in text
    assert told(found)["pace"]["rows"][1]["seconds"] == pytest.approx(120)
    json.dumps(told(found))


def test_a_record_from_before_gets_its_curve_from_the_log_that_is_still_there(
    planned, settings, tmp_path
):
    plan = planned()
    (trial,) = plan.trials
    asked = settings()
    folder = running.folder_of(asked.out, trial)
    held = {"key": trial.key, "name": trial.name, "code": running._code(trial), "val_dice": 0.5}
    running.results.add(asked.record, plan.terms, [held])
    assert "curve" not in running.look(plan, plan.trials, asked).done[trial.key]
    log = [
        Epoch(epoch=at + 1, lr=1e-3, loss=1.0, val_dice=0.25 * at, val_iou=0.1, seconds=1.26)
        for at in range(trial.recipe.epochs)
    ]
    (folder / "training").mkdir(parents=True)
    write_log(folder / "training" / "log.csv", log)
    running.run(plan, plan.trials, asked)
    (stored,) = running.results.load_results(asked.record).trials
    assert stored["curve"] == {"val_dice": [0.0, 0.25], "seconds": [1.3, 1.3]}
    assert curve_of(folder / "training", epochs=2) == stored["curve"]


def test_times_and_findings_of_a_table_stand_below_its_heading(made_up):
    text = written(with_curves(made_up.hospitals(0.1), a=SLOW, b=QUICK))
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert [line[3:11] for line in headings] == ["5 folds", "Trained ", "Trained "]
    folds = text.split("\n## ")[1]
    assert folds.index("Time to a validation Dice:") < folds.index("**b** is better than a")


def test_a_taught_row_is_said_to_leave_out_its_teachers_training(made_up):
    found = with_curves(made_up.comparison(0.1), a=SLOW, b=QUICK)
    assert "teachers" not in written(found)
    first, second = found.terms["arms"]
    terms = {**found.terms, "arms": [first, {**second, "teacher": ["a"]}]}
    text = written(replace(found, terms=terms))
    assert "training of the teachers is not in epochs and minutes of `b`" in text
