from __future__ import annotations

import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.experiments.paper import paper_table
from scunext_edge.experiments.protocol import PROTOCOLS, open_protocol, protocol_of
from scunext_edge.experiments.question import QUESTIONS, open_question, question_of
from scunext_edge.training.recipe import PRESETS, preset

SPLITS = {"kind": "folds", "folds": 3, "seeds": [1]}


def test_table_1_compares_the_papers_four_networks_on_three_random_splits():
    question, _ = open_question("table1")
    assert [arm.model for arm in question.arms] == ["unet", "resunetpp", "unext", "scunext"]
    (splits,) = question.splits
    assert (splits.kind, len(splits.seeds)) == ("random", 3)
    assert question.factors == ()


def test_the_ablation_is_the_whole_grid_in_five_folds():
    question, _ = open_question("ablation")
    made = {arm.name: (arm.recipe.get("edge", "on"), arm.options) for arm in question.arms}
    assert len(made) == 8
    assert made["none"] == (0.0, {"skip": False, "fuse": False})
    assert made["edge"] == ("on", {"skip": False, "fuse": False})
    assert made["skip+fuse"] == (0.0, {"skip": True, "fuse": True})
    assert made["edge+skip+fuse"] == ("on", {"skip": True, "fuse": True})
    assert [splits.folds for splits in question.splits] == [5]


def test_the_recipes_rows_are_each_one_change_and_no_test_image_decides():
    question, protocol = open_question("recipe")
    assert (question.base, protocol) == ("base", "reduced")
    assert question.splits[0].parts == ["train", "val"]
    base = next(arm for arm in question.arms if arm.name == "base")
    assert (base.options, base.recipe, base.teacher) == ({}, {}, ())
    plain = open_protocol("reduced").settings(seed=1, changes={})
    for arm in question.arms:
        recipe = open_protocol("reduced").settings(seed=1, changes=arm.recipe)
        assert (recipe == plain) == (arm is base or arm.model != "scunext")
        assert bool(arm.teacher) == (recipe.distil > 0)


def test_the_recipes_grid_is_of_its_longer_row_whose_trials_it_shares():
    (grid, own), (recipe, _) = open_question("recipe-grid"), open_question("recipe")
    assert isinstance(own, dict)
    longer = next(arm for arm in recipe.arms if arm.name == "longer")
    reduced, long = open_protocol("reduced"), protocol_of(own, name="recipe-grid")
    settings = long.settings(seed=1, changes={})
    assert settings == reduced.settings(seed=1, changes=longer.recipe)
    assert (long.subset, long.reduced) == (reduced.subset, reduced.reduced)
    assert grid.splits == recipe.splits
    assert len(grid.arms) == 8


def test_the_fixed_question_trains_on_the_data_sets_own_split():
    question, _ = open_question("fixed")
    assert question.splits[0].kind == "fixed"
    precisions = {arm.name: arm.recipe.get("precision") for arm in question.arms}
    ours = ("unext", "scunext", "scunext without fusion")
    assert precisions == {**dict.fromkeys(ours), "malunet": "fp32", "egeunet": "fp32"}
    (other,) = [arm for arm in question.arms if arm.name == "scunext without fusion"]
    assert (other.model, other.options) == ("scunext", {"fuse": False})
    assert question.scores == ("threshold",)


def test_lungs_are_tested_in_folds_and_by_hospital_with_hd95():
    question, _ = open_question("lungs")
    assert {arm.model for arm in question.arms} == {"unext", "scunext"}
    assert [(it.kind, it.folds, it.column) for it in question.splits] == [
        ("folds", 5, "origin"),
        ("leave-one-out", None, "origin"),
    ]
    assert question.scores == ("hd95",)
    assert question.paper is None


def test_a_preset_of_an_arm_is_taken_whole():
    question, _ = open_question("presets")
    reduced = open_protocol("reduced")
    for arm in question.arms:
        recipe = reduced.settings(seed=3, changes=arm.recipe, preset=arm.preset)
        assert recipe == preset(arm.name, size=128, seed=3)
    assert {arm.preset for arm in question.arms} == set(PRESETS)


def test_the_preset_that_is_the_protocols_makes_the_trials_of_table_1():
    fast = open_protocol("fast")
    assert fast.settings(seed=1, changes={}, preset="fast") == fast.settings(seed=1, changes={})


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_paper_has_a_row_for_every_arm(name):
    question, _ = open_question(name)
    if question.paper is None:
        pytest.skip(f"the paper does not ask {name}")
    assert set(paper_table(question.paper).rows) == {arm.name for arm in question.arms}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_that_ships_makes_a_recipe(name):
    protocol = open_protocol(name)
    recipe = protocol.settings(seed=7, changes={"edge": 0.0})
    assert (recipe.seed, recipe.edge, recipe.size) == (7, 0.0, protocol.size)


def test_the_papers_protocol_trains_by_the_papers_recipe():
    assert open_protocol("paper").settings(seed=0, changes={}) == preset("paper", size=256)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"splits": SPLITS}, "either networks or factors"),
        ({"splits": SPLITS, "arms": []}, "no setting 'arms'"),
        ({"splits": {"kind": "folds", "seeds": [1]}, "arm": [{"model": "unet"}]}, "not complete"),
        ({"splits": [SPLITS, SPLITS], "arm": [{"model": "unet"}]}, "kinds: folds, folds"),
        ({"splits": [], "arm": [{"model": "unet"}]}, "kinds: none"),
        (
            {"splits": {"kind": "leave-one-out", "seeds": [1]}, "arm": [{"model": "unet"}]},
            "'leave-one-out' are not complete",
        ),
        (
            {"splits": {**SPLITS, "kind": "random", "test": 0.2, "column": "origin"}, "arm": []},
            "no column",
        ),
        ({"splits": SPLITS, "scores": ["hd"], "arm": [{"model": "unet"}]}, "no score 'hd'"),
        ({"splits": SPLITS, "arm": [{"model": "unet"}, {"model": "unet"}]}, "two rows"),
        ({"splits": SPLITS, "factor": [{"name": "edge"}]}, "names no network"),
        ({"splits": SPLITS, "arm": [{"modell": "unet"}]}, "'modell'"),
        ({"splits": SPLITS, "arm": [{"model": "unet"}], "base": "unxt"}, "no row of it: 'unxt'"),
        ({"splits": SPLITS, "arm": [{"model": "unet", "teacher": "unet"}]}, "no row above it"),
        ({"splits": {**SPLITS, "parts": ["tset"]}, "arm": [{"model": "unet"}]}, "'tset'"),
        (
            {
                "splits": {"kind": "fixed", "seeds": [1], "parts": ["val"]},
                "arm": [{"model": "unet"}],
            },
            "take every part",
        ),
    ],
)
def test_a_wrong_experiment_is_an_error_in_words(settings, said):
    with pytest.raises(ConfigError, match=said):
        question_of(settings, name="mine")


def test_a_protocol_with_an_unknown_setting_suggests_the_nearest():
    with pytest.raises(ConfigError, match="epoch") as caught:
        protocol_of(
            {"label": "", "preset": "fast", "size": 64, "recipe": {"epoch": 3}}, name="mine"
        )
    assert caught.value.hint == "did you mean epochs?"


def test_a_misspelled_experiment_or_protocol_suggests_the_nearest():
    with pytest.raises(ConfigError) as caught:
        open_question("tabel1")
    assert caught.value.hint == "did you mean table1?"
    with pytest.raises(ConfigError) as caught:
        open_protocol("fats")
    assert caught.value.hint == "did you mean fast?"
