from __future__ import annotations

import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.experiments.paper import paper_table
from scunext_edge.experiments.protocol import PROTOCOLS, open_protocol, protocol_of
from scunext_edge.experiments.question import QUESTIONS, open_question, question_of
from scunext_edge.training.recipe import preset

SPLITS = {"kind": "folds", "folds": 3, "seeds": [1]}


def test_table_1_compares_the_papers_four_networks_on_three_random_splits():
    question, _ = open_question("table1")
    assert [arm.model for arm in question.arms] == ["unet", "resunetpp", "unext", "scunext"]
    assert (question.splits.kind, len(question.splits.seeds)) == ("random", 3)
    assert question.factors == ()


def test_the_ablation_is_the_whole_grid_in_five_folds():
    question, _ = open_question("ablation")
    made = {arm.name: (arm.recipe.get("edge", "on"), arm.options) for arm in question.arms}
    assert len(made) == 8
    assert made["none"] == (0.0, {"skip": False, "fuse": False})
    assert made["edge"] == ("on", {"skip": False, "fuse": False})
    assert made["skip+fuse"] == (0.0, {"skip": True, "fuse": True})
    assert made["edge+skip+fuse"] == ("on", {"skip": True, "fuse": True})
    assert question.splits.folds == 5


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
        ({"splits": SPLITS, "arm": [{"model": "unet"}, {"model": "unet"}]}, "two rows"),
        ({"splits": SPLITS, "factor": [{"name": "edge"}]}, "names no network"),
        ({"splits": SPLITS, "arm": [{"modell": "unet"}]}, "'modell'"),
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
