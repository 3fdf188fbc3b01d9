from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace

import pytest

from scunext_edge.data.splits import Split, save_split
from scunext_edge.errors import ConfigError, DataError
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


BY_HOSPITAL = {"kind": "leave-one-out", "column": "origin", "seeds": [1], "val": 0.2}


def test_each_hospital_is_tested_by_a_network_that_saw_none_of_it(planned, hospitals):
    plan = planned(splits=BY_HOSPITAL, data=hospitals)
    assert [trial.name for trial in plan.trials] == ["unext/test-north", "unext/test-south"]
    south = {f"l{at:02}" for at in range(0, 24, 3)}
    for trial, is_tested in zip(plan.trials, (False, True), strict=True):
        split = trial.cut.split
        assert all((name in south) is is_tested for name in split.test)
        assert all((name in south) is not is_tested for name in split.train + split.val)
        assert split.val
    assert plan.terms["splits"]["groups"] == ["north", "south"]


def test_the_look_alike_of_the_other_hospital_is_left_out(planned, hospitals):
    """The last image looks like the first; here they are of two hospitals."""
    manifest = hospitals / "manifest.csv"
    before = manifest.read_text()
    manifest.write_text(before.replace("l23,north", "l23,south").replace("l00,south", "l00,north"))
    try:
        north, _ = planned(splits=BY_HOSPITAL, data=hospitals).trials
    finally:
        manifest.write_text(before)
    split = north.cut.split
    assert "l00" in split.test
    assert "l23" not in split.train + split.val + split.test


def test_folds_and_hospitals_are_asked_for_together(planned, hospitals):
    plan = planned(splits=[{**FOLDS, "column": "origin"}, BY_HOSPITAL], data=hospitals)
    names = [trial.cut.name for trial in plan.trials]
    assert names == ["fold1", "fold2", "fold3", "fold4", "test-north", "test-south"]
    assert [each["kind"] for each in plan.terms["splits"]] == ["folds", "leave-one-out"]
    for trial in plan.trials[:4]:
        assert sum(int(name[1:]) % 3 == 0 for name in trial.cut.split.test) == 2


def test_a_column_that_the_data_set_lacks_or_that_holds_one_group_is_refused(planned, hospitals):
    with pytest.raises(DataError, match="no usable columns"):
        planned(splits={**BY_HOSPITAL, "column": "scanner"}, data=hospitals)
    with pytest.raises(ConfigError, match="holds north, south"):
        planned(splits={**BY_HOSPITAL, "groups": ["north", "west"]}, data=hospitals)


def test_further_scores_leave_keys_alone(planned):
    assert planned(scores=["hd95"]).trials[0].key == planned().trials[0].key


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
    assert planned(subset=1000).data["images"] == 24


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


@pytest.fixture
def own_split(lesions, tmp_path):
    """The drawn lesions with a split of their own: 8 to train, 4 for validation, 12 to test."""
    root = tmp_path / "own"
    shutil.copytree(lesions, root)
    ids = [f"l{index:02}" for index in range(24)]
    parts = {"train": ids[:8], "val": ids[8:12], "test": ids[12:]}
    split = {part: tuple(names) for part, names in parts.items()}
    save_split(root / "split.json", Split(**split, calibration=(), source="by hand"))
    return root


def test_of_some_parts_alone_no_other_image_takes_part(planned, own_split):
    plan = planned(splits={**FOLDS, "parts": ["train", "val"]}, data=own_split)
    assert plan.data["images"] == 12
    met = {
        name
        for trial in plan.trials
        for part in ("train", "val", "test")
        for name in getattr(trial.cut.split, part)
    }
    assert met == {f"l{index:02}" for index in range(12)}


def test_the_data_sets_own_split_is_the_same_for_every_seed(planned, own_split):
    plan = planned(splits={"kind": "fixed", "seeds": [1, 2]}, data=own_split)
    assert [trial.name for trial in plan.trials] == ["unext/seed1", "unext/seed2"]
    assert [trial.recipe.seed for trial in plan.trials] == [1, 2]
    one, other = (trial.cut.split for trial in plan.trials)
    assert one == other
    assert (len(one.val), len(one.test)) == (4, 12)
    # l00 looks like l23, which is scored
    assert one.train == tuple(f"l{index:02}" for index in range(1, 8))
    assert len({trial.key for trial in plan.trials}) == 2


@pytest.mark.parametrize("splits", [{"kind": "fixed", "seeds": [1]}, {**FOLDS, "parts": ["train"]}])
def test_without_a_split_of_its_own_a_data_set_has_no_parts(planned, splits):
    with pytest.raises(ConfigError, match="no split of its own"):
        planned(splits=splits)


TAUGHT = [
    {"name": "large", "model": "unext-l"},
    {"name": "small", "model": "unext", "teacher": "large", "recipe": {"distil": 1.0}},
]


def test_a_trial_is_taught_by_that_of_the_same_split(planned):
    plan = planned(arms=TAUGHT, splits=FOLDS)
    for large, small in zip(plan.trials[::2], plan.trials[1::2], strict=True):
        assert small.teachers == (large,)
        assert small.cut == large.cut
    alone = replace(plan.trials[1], teachers=())
    assert alone.key != plan.trials[1].key
    other = replace_recipe(plan.trials[0], epochs=3)
    assert replace(plan.trials[1], teachers=(other,)).key != plan.trials[1].key


@pytest.mark.parametrize(
    ("arm", "told"),
    [
        ({"recipe": {"distil": 1.0}}, "it has no teacher"),
        ({"teacher": "large"}, "distil is 0"),
        ({"recipe": {"sides": True}}, "no stages for auxiliary heads"),
        ({"recipe": {"restore": 0.2}}, "no stages to restore hidden patches"),
    ],
)
def test_a_row_that_cannot_be_trained_is_refused_before_any_is(planned, arm, told):
    with pytest.raises(ConfigError, match=f"the row 'small' cannot be trained: .*{told}"):
        planned(arms=[TAUGHT[0], {"name": "small", "model": "unext", **arm}])


def test_sides_are_for_a_network_that_has_stages(planned):
    arm = {"model": "scunext", "recipe": {"sides": True}}
    assert planned(arms=[arm]).trials[0].recipe.sides


def test_two_rows_that_are_the_same_trial_are_refused(planned):
    arms = [{"name": "one", "model": "unext"}, {"name": "two", "model": "unext"}]
    with pytest.raises(ConfigError, match="two/split1 and one/split1 are one and the same trial"):
        planned(arms=arms)


def test_no_image_that_chooses_the_epoch_looks_like_one_that_is_scored(planned, own_split):
    ids = [f"l{index:02}" for index in range(24)]
    parts = {"train": ids[4:12], "val": ids[:4], "test": ids[12:]}  # l00 looks like l23
    split = Split(**{k: tuple(v) for k, v in parts.items()}, calibration=(), source="by hand")
    save_split(own_split / "split.json", split)
    (trial,) = planned(splits={"kind": "fixed", "seeds": [1]}, data=own_split).trials
    assert trial.cut.split.val == ("l01", "l02", "l03")
    assert len(trial.cut.split.test) == 12
