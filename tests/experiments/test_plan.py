from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.experiments.plan import Trial

FOLDS = {"kind": "folds", "folds": 4, "seeds": [3], "val": 0.1}


def test_every_image_is_tested_in_one_fold_and_trained_on_in_no_such_one(planned):
    plan = planned(splits=FOLDS)
    splits = [trial.cut.split for trial in plan.trials]
    tested = Counter(name for split in splits for name in split.test)
    assert (len(tested), set(tested.values())) == (24, {1})
    for split in splits:
        assert not {*split.test} & {*split.train, *split.val}
        assert (len(split.train) + len(split.val) + len(split.test), len(split.val)) == (24, 2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["random", "folds"])
def test_pictures_of_the_same_lesion_stay_on_one_side(planned, kind, seed):
    splits = {"kind": kind, "seeds": [seed], "test": 0.25, "folds": 4, "val": 0.1}
    for trial in planned(splits=splits).trials:
        split = trial.cut.split
        sides = [{*part} & {"l00", "l23"} for part in (split.train, split.val, split.test)]
        assert sorted(map(len, sides)) == [0, 0, 2]


def test_the_same_content_has_the_same_key_and_another_has_another(planned):
    (trial,), (again,) = planned().trials, planned().trials
    assert trial.key == again.key
    others = [
        planned(models=("scunext",)),
        planned(recipe={"epochs": 3}),
        planned(splits={"kind": "random", "seeds": [2], "test": 0.25}),
        planned(devices=2),
        planned(size=64),
    ]
    assert len({trial.key, *(plan.trials[0].key for plan in others)}) == 6


def test_a_setting_at_its_default_does_not_count_for_the_key(planned):
    (trial,) = planned().trials
    assert trial.recipe.precision == "bf16"
    assert trial.key == replace_recipe(trial, precision="bf16").key
    assert trial.key != replace_recipe(trial, precision="fp32").key


def replace_recipe(trial: Trial, **changes):
    return replace(trial, recipe=replace(trial.recipe, **changes))


def test_a_subset_is_drawn_once_for_all_trials(planned):
    plan = planned(subset=16, splits=FOLDS)
    assert plan.data["images"] == 16
    assert len({name for trial in plan.trials for name in trial.cut.split.test}) == 16


def test_the_batch_is_shared_among_devices(planned):
    assert planned(devices=2).trials[0].recipe.batch == 2
    with pytest.raises(ConfigError, match="shared by 3 devices"):
        planned(devices=3)


def test_trials_are_picked_by_row_and_by_name(planned):
    plan = planned(models=("unext", "scunext"), splits=FOLDS)
    assert [trial.name for trial in plan.only(["*/fold2"], ["scunext"])] == ["scunext/fold2"]
    assert len(plan.only([], ["unext"])) == 4
    with pytest.raises(ConfigError, match="no trial") as caught:
        plan.only(["fold9"], [])
    assert "unext/fold1" in caught.value.hint
    with pytest.raises(ConfigError, match="'unxt'"):
        plan.only([], ["unxt"])
