from __future__ import annotations

import pytest

from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.experiments.accuracy import accuracy_of
from scunext_edge.experiments.results import add

SIZE = {"size": 256, "reduced": True}


@pytest.fixture
def stored(made_up, tmp_path):
    """A results file of these arms, each tested with Dice 0.6 and 0.7 on two of three splits."""

    def write(*arms, name="t.json"):
        terms = made_up.terms([{"on": [], **arm} for arm in arms], **SIZE)
        dice = {"split1": [0.6], "split2": [0.7]}
        trials = [made_up.trial(it["name"], *cut) for it in arms for cut in dice.items()]
        add(tmp_path / name, terms, trials)
        return tmp_path / name

    return write


def test_a_network_has_the_mean_and_spread_of_its_trainings(stored):
    found = accuracy_of(stored({"name": "unet", "model": "unet", "options": {}, "recipe": {}}))
    assert (found["file"], found["protocol"], found["reduced"]) == ("t.json", "tiny", True)
    assert (found["size"], found["splits"], found["data"]["name"]) == (256, 3, "drawn")
    (row,) = found["rows"]
    assert (row["model"], row["trainings"]) == ("unet", 2)
    assert row["dice"] == pytest.approx(0.65)
    assert row["dice_sd"] == pytest.approx(0.0707, abs=1e-4)
    assert row["iou"] == pytest.approx(0.325)


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"skip": False}},
        {"recipe": {"edge": 0.0}},
        {"preset": "fast"},
        {"teacher": ["unext"]},
        {"name": "b8"},
    ],
)
def test_a_row_that_is_not_the_network_as_it_is_says_nothing_of_it(stored, change):
    arm = {"name": "unet", "model": "unet", **change}
    found = accuracy_of(stored({"name": "unext", "model": "unext"}, arm))
    assert [row["model"] for row in found["rows"]] == ["unext"]
    with pytest.raises(ConfigError, match="no training of a network as it is"):
        accuracy_of(stored(arm, name="alone.json"))


def test_a_network_that_was_not_trained_yet_is_left_out(made_up, tmp_path):
    arms = [{"name": name, "model": name, "on": []} for name in ("a", "b")]
    path = tmp_path / "t.json"
    add(path, made_up.terms(arms, **SIZE), [made_up.trial("b", "split1", [0.5])])
    (row,) = accuracy_of(path)["rows"]
    assert (row["model"], row["dice_sd"]) == ("b", None)


def test_it_says_what_the_trainings_of_a_network_differ_in(made_up, tmp_path):
    for kind, over in (("random", "splits"), ("fixed", "seeds")):
        path = tmp_path / f"{kind}.json"
        cut = "split1" if kind == "random" else "seed1"
        terms = made_up.terms(
            [{"name": "a", "model": "a", "on": []}], splits={"kind": kind}, **SIZE
        )
        add(path, terms, [made_up.trial("a", cut, [0.5])])
        assert accuracy_of(path)["over"] == over


def test_splits_of_two_kinds_have_no_mean(made_up, tmp_path):
    both = made_up.hospitals(0.01)
    add(tmp_path / "t.json", both.terms, both.trials)
    with pytest.raises(ConfigError, match="several tables"):
        accuracy_of(tmp_path / "t.json")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "other.json").write_text('{"schema": 1, "kind": "else"}')
    with pytest.raises(ArtifactError):
        accuracy_of(tmp_path / "other.json")
