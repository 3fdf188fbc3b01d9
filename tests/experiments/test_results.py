from __future__ import annotations

import json

import pytest

from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.experiments.results import add, finished, load_results


@pytest.fixture
def terms(made_up):
    return made_up.terms([{"name": "a", "model": "a", "on": []}])


def test_sessions_add_up_and_a_trial_made_again_replaces_itself(made_up, terms, tmp_path):
    path = tmp_path / "results" / "table.json"
    add(path, terms, [made_up.trial("a", "split2", [0.5])])
    add(path, terms, [made_up.trial("a", "split1", [0.6])])
    add(path, terms, [made_up.trial("a", "split2", [0.7])])
    held = finished(path, terms)
    assert {key: one["dice"] for key, one in held.items()} == {"a-split1": 0.6, "a-split2": 0.7}
    content = json.loads(path.read_text())
    assert (content["schema"], content["protocol"]["name"]) == (1, "tiny")
    assert sum('"key":' in line for line in path.read_text().splitlines()) == 2  # a line each


def test_no_file_holds_no_trials(terms, tmp_path):
    assert finished(tmp_path / "none.json", terms) == {}


@pytest.mark.parametrize("name", ["protocol", "splits", "data", "experiment"])
def test_trials_of_other_terms_are_never_mixed(made_up, terms, tmp_path, name):
    path = tmp_path / "table.json"
    add(path, terms, [made_up.trial("a", "split1", [0.6])])
    value = "other" if name == "experiment" else {**terms[name], "name": "other"}
    with pytest.raises(ConfigError, match=f"another {name}"):
        add(path, {**terms, name: value}, [])
    assert len(load_results(path).trials) == 1


def test_a_setting_that_is_added_later_and_changes_nothing_is_no_other_protocol(
    made_up, terms, tmp_path
):
    path = tmp_path / "table.json"
    add(path, terms, [made_up.trial("a", "split1", [0.6])])
    later = {**terms["protocol"], "label": "in other words", "new": None, "newer": False}
    assert len(finished(path, {**terms, "protocol": later})) == 1


def test_an_older_file_without_further_scores_goes_on_and_one_that_has_them_is_another(
    made_up, terms, tmp_path
):
    path = tmp_path / "table.json"
    add(path, terms, [made_up.trial("a", "split1", [0.6])])
    assert "scores" not in terms
    add(path, {**terms, "scores": []}, [made_up.trial("a", "split2", [0.6])])
    assert len(finished(path, terms)) == 2
    with pytest.raises(ConfigError, match="another scores"):
        finished(path, {**terms, "scores": ["hd95"]})


def test_what_a_list_of_splits_does_not_set_is_no_other_splits(made_up, terms, tmp_path):
    path, splits = tmp_path / "table.json", terms["splits"]
    several = [splits, {"kind": "folds", "folds": 2, "seeds": [1]}]
    add(path, {**terms, "splits": several}, [made_up.trial("a", "split1", [0.6])])
    later = [{**each, "new": None} for each in several]
    assert len(finished(path, {**terms, "splits": later})) == 1
    with pytest.raises(ConfigError, match="another splits"):
        finished(path, terms)


def test_a_weight_of_zero_is_a_setting(made_up, terms, tmp_path):
    path = tmp_path / "table.json"
    add(path, terms, [made_up.trial("a", "split1", [0.6])])
    off = {**terms["protocol"], "recipe": {**terms["protocol"].get("recipe", {}), "edge": 0.0}}
    with pytest.raises(ConfigError, match="another protocol"):
        finished(path, {**terms, "protocol": off})


def test_another_kind_of_file_is_refused(terms, tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"schema": 1, "kind": "trials"}')
    with pytest.raises(ArtifactError, match="'trials'"):
        finished(path, terms)
