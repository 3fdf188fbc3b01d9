from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from scunext_edge.benchmarks.stats import (
    ENOUGH_PROCESSES,
    ENOUGH_VALUES_EACH,
    ENOUGH_VALUES_FOR_P99,
)
from scunext_edge.benchmarks.suite import SUITES, Suite, load_suite
from scunext_edge.benchmarks.verdict import FEWEST_PROCESSES
from scunext_edge.errors import ConfigError

NEEDED = "rounds = 2\nwarmup = 3\nvalues = 4\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("name", SUITES)
def test_the_suites_that_ship_can_be_read(name):
    suite = load_suite(name)
    assert (suite.name, suite.plan.values) == (name, suite.values)
    assert suite.scenario == ("single-stream" if name in {"default", "full"} else name)


def test_default_asks_for_enough_processes_for_a_verdict():
    assert load_suite("default").rounds >= FEWEST_PROCESSES


@pytest.mark.parametrize("name", ["clinic", "burst", "soak"])
def test_a_point_of_care_is_timed_from_the_file_to_the_mask(name):
    assert load_suite(name).region == "end_to_end"


def test_full_asks_what_a_published_number_needs():
    suite = load_suite("full")
    assert suite.rounds >= ENOUGH_PROCESSES
    assert suite.values >= ENOUGH_VALUES_EACH
    assert suite.rounds * suite.values >= ENOUGH_VALUES_FOR_P99
    assert suite.budget_s is None


def test_a_file_of_ones_own_is_read(write):
    suite = load_suite(write(NEEDED + 'region = "transfer"\ncpus = [0]\nmemory = false\n'))
    assert suite == Suite(
        name="mine", region="transfer", rounds=2, warmup=3, values=4, cpus=(0,), memory=False
    )


def test_a_misspelled_key_is_refused_and_the_nearest_named(write):
    with pytest.raises(ConfigError, match="'warmups'") as caught:
        load_suite(write(NEEDED + "warmups = 1\n"))
    assert "did you mean 'warmup'?" in caught.value.hint


def test_a_misspelled_suite_is_refused_and_the_nearest_named():
    with pytest.raises(ConfigError, match="'defalt'") as caught:
        load_suite("defalt")
    assert "did you mean 'default'?" in caught.value.hint


def test_a_missing_key_is_named(write):
    with pytest.raises(ConfigError, match="says nothing about values, warmup"):
        load_suite(write("rounds = 1\n"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read"):
        load_suite(str(tmp_path / "absent.toml"))


def test_what_is_no_toml_is_named(write):
    with pytest.raises(ConfigError, match="mine is no TOML"):
        load_suite(write("rounds = = 1"))


@pytest.mark.parametrize(
    "line",
    [
        'region = "decode"',
        "threads = 0",
        "threads = true",
        "batch = 1.5",
        "budget_s = 0",
        'budget_s = "long"',
        "timeout_s = nan",
        "cpus = [-1]",
        "cpus = 3",
        "memory = 1",
        "seed = -1",
        'scenario = "server"',
        "interval_s = 0",
        "burst = 0",
        "cold_starts = -1",
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_key(write, line):
    key = line.split(" ")[0]
    with pytest.raises(ConfigError, match=f"suite mine: {key} = ") as caught:
        load_suite(write(NEEDED + line + "\n"))
    assert key in caught.value.hint


def test_end_to_end_takes_one_image_at_a_time(write):
    with pytest.raises(ConfigError, match="one image at a time"):
        load_suite(write(NEEDED + 'region = "end_to_end"\nbatch = 2\n'))


def test_a_clinic_takes_one_patient_at_a_time(write):
    with pytest.raises(ConfigError, match="one patient"):
        load_suite(write(NEEDED + 'scenario = "clinic"\ninterval_s = 1\nbatch = 2\n'))


def test_the_plan_of_a_suite_carries_its_scenario(write):
    text = NEEDED + 'scenario = "burst"\ninterval_s = 1.5\n'
    plan = load_suite(write(text)).plan
    assert (plan.scenario, plan.interval_s, plan.burst) == ("burst", 1.5, 8)
    assert load_suite(write(NEEDED + "burst = 4\n")).plan.burst is None


def test_a_scenario_without_what_it_needs_is_refused(write):
    with pytest.raises(ConfigError, match="clinic needs interval_s"):
        load_suite(write(NEEDED + 'scenario = "clinic"\n'))


def test_a_budget_without_warm_up_is_refused(write):
    with pytest.raises(ConfigError, match="budget"):
        load_suite(write("rounds = 1\nwarmup = 0\nvalues = 1\nbudget_s = 1\n"))


def test_every_key_is_explained_in_the_docs():
    text = (Path(__file__).parents[2] / "docs" / "measuring.md").read_text(encoding="utf-8")
    keys = {field.name for field in fields(Suite)} - {"name"}
    assert not {key for key in keys if f"| `{key}` |" not in text}
