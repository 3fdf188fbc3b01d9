from __future__ import annotations

from dataclasses import asdict

import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.training.recipe import PRESETS, from_mapping, preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_complete(name):
    assert from_mapping(asdict(preset(name))) == preset(name)


def test_the_papers_preset_is_what_the_paper_states():
    paper = preset("paper")
    assert (paper.optimizer, paper.batch, paper.epochs) == ("adam", 8, 400)
    assert (paper.lr, paper.lr_final, paper.warmup) == (1e-4, 1e-5, 0)
    assert (paper.edge, paper.average) == (0.5, 0)


def test_the_fast_preset_is_far_shorter():
    assert preset("fast").epochs <= preset("paper").epochs / 5


def test_single_settings_replace_those_of_a_preset():
    changed = preset("paper", epochs=3, edge=0.0, seed=None)
    assert (changed.epochs, changed.edge, changed.seed) == (3, 0, 0)
    assert changed.lr == preset("paper").lr


def test_an_unknown_preset_is_refused_by_naming_those_there_are():
    with pytest.raises(ConfigError, match="'quick'") as caught:
        preset("quick")
    assert caught.value.hint == "choose one of: paper, fast, or the .toml file of one"


def test_a_preset_of_ones_own_is_complete_or_changes_another(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('preset = "fast"\naffine = 0.5\n')
    assert preset(str(path)) == preset("fast", affine=0.5)
    assert preset(str(path), epochs=3).epochs == 3
    path.write_text("affine = 0.5\n")
    with pytest.raises(ConfigError, match="not complete"):
        preset(str(path))
    path.write_text("affine = \n")
    with pytest.raises(ConfigError, match="no TOML"):
        preset(str(path))
    with pytest.raises(ConfigError, match="cannot be read"):
        preset(str(tmp_path / "none.toml"))


def test_an_unknown_setting_is_refused_and_the_nearest_suggested():
    with pytest.raises(ConfigError, match="'epoch'") as caught:
        from_mapping({**asdict(preset("fast")), "epoch": 3})
    assert caught.value.hint == "did you mean epochs?"


def test_a_missing_setting_is_named():
    settings = asdict(preset("fast"))
    del settings["zoom"]
    with pytest.raises(ConfigError, match="zoom"):
        from_mapping(settings)


def test_heads_that_count_nothing_are_refused_with_a_remedy():
    with pytest.raises(ConfigError, match=r"sides.*deep = 0") as caught:
        preset("fast", sides=True, deep=0.0)
    assert "0.5" in caught.value.hint
    assert preset("fast", sides=True, deep=0.1).sides
    assert not preset("fast", deep=0.0).sides


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0),
        ("epochs", "60"),
        ("epochs", 2.5),
        ("batch", 0),
        ("lr", -1e-3),
        ("lr", float("nan")),
        ("edge", -0.5),
        ("deep", -0.5),
        ("zoom", 1.5),
        ("affine", 1.5),
        ("scale", 0.5),
        ("missed", 2),
        ("distil", -1),
        ("sides", 1),
        ("average", 1.1),
        ("seed", -1),
        ("size", 100),
        ("precision", "fp16"),
        ("optimizer", "sgd"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(setting, value):
    with pytest.raises(ConfigError, match=f"{setting}|multiples of 32") as caught:
        preset("fast", **{setting: value})
    assert caught.value.exit_code == 2
