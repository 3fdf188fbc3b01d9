"""`experiment` on the command line: the plan, an interruption, the text of a results file."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from scunext_edge import cli
from scunext_edge.errors import ConfigError
from scunext_edge.experiments.results import add

MINE = """
title = "One"
[splits]
kind = "random"
seeds = [1]
test = 0.25
val = 0.1
[[arm]]
model = "unext"
[protocol]
label = "tiny"
preset = "fast"
size = 32
recipe = { epochs = 60, batch = 4 }
"""


@pytest.fixture
def mine(tmp_path, lesions):
    """Arguments of an experiment of one trial of a minute or so, described in a TOML file."""
    (tmp_path / "mine.toml").write_text(MINE)
    folders = ["--data", str(lesions), "--out", str(tmp_path / "out")]
    return [str(tmp_path / "mine.toml"), *folders, "--threads", "1"]


def call(*arguments):
    return CliRunner().invoke(cli.app, ["experiment", *arguments])


def test_a_dry_run_lists_every_trial_and_makes_none(lesions, tmp_path):
    out = str(tmp_path / "out")
    shown = call("ablation", "--data", str(lesions), "--out", out, "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert len(re.findall(r"fold\d +[0-9a-f]{16}  epoch 0 of 60", shown.stdout)) == 40
    assert "40 of 40 trials to make" in shown.stdout
    assert not (tmp_path / "out" / "trials").exists()


def test_a_dry_run_tells_a_trial_that_lacks_its_scores_alone(mine, tmp_path):
    (row, *_) = json.loads(call(*mine, "--dry-run", "--json").stdout)
    run = tmp_path / "out" / "trials" / row["key"] / "training"
    run.mkdir(parents=True)
    (run / "log.csv").write_text("epoch\n" + "1\n" * 60)
    shown = call(*mine, "--dry-run").stdout
    assert f"{row['key']}  to score, 0 to train" in shown
    assert "1 more to score alone" in shown


def test_ctrl_c_ends_with_130_leaves_nothing_running_and_keeps_the_epoch(mine, watch, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "scunext_edge", "experiment", *mine],
        stderr=subprocess.PIPE,
        text=True,
    )
    watch.wait_for(lambda: watch.log_of(out, epochs=2))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was finished is kept" in said
    assert watch.workers_of(out) == []
    rows = json.loads(call(*mine, "--dry-run", "--json").stdout)
    assert re.fullmatch(r"epoch [1-9]\d? of 60", rows[0]["state"])


def test_a_results_file_alone_gives_its_text(made_up, tmp_path):
    found = made_up.comparison(0.1)
    add(tmp_path / "r.json", found.terms, found.trials)
    shown = call(str(tmp_path / "r.json"))
    assert "**b** is better than a" in shown.stdout
    assert (tmp_path / "r.md").read_text() == shown.stdout.removesuffix("\n")
    assert json.loads(call(str(tmp_path / "r.json"), "--json").stdout)["missing"] == []


def test_without_data_there_is_nothing_to_train_on():
    shown = call("table1")
    assert shown.exit_code == 2
    assert "--data" in shown.output


def test_other_code_is_kept_or_made_anew_and_nothing_else(mine):
    shown = call(*mine, "--other-code", "maybe")
    assert isinstance(shown.exception, ConfigError)
