from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scunext_edge import artifacts
from scunext_edge.errors import BackendUnavailable, ConfigError
from scunext_edge.training.recipe import preset
from scunext_edge.training.start import Machine, speaks, start

SCRIPT = Path(__file__).with_name("recorded_train.py")


@pytest.fixture
def begin(tmp_path):
    """A maker of runs of one epoch: begin(data, model="unext", resume=False)."""

    def make(data, model="unext", **changes):
        settings = {
            "recipe": preset("fast", epochs=1, batch=2, size=32),
            "out": tmp_path / "run",
            "options": {},
            "away_from": None,
            "resume": False,
            "machine": Machine(),
        }
        return start(model, data=data, **{**settings, **changes})

    return make


def test_a_folder_of_images_becomes_a_checkpoint_with_its_account(folder, begin):
    seen = []
    data = folder(train=4, val=2)
    best = begin(data, advance=lambda *step: seen.append(step))
    assert best.card.details["training"]["data"]["train"] == 4
    assert {what for what, _, _ in seen} == {
        *("comparing", "packing train", "packing val"),
        *("epoch under way", "epochs"),
    }
    assert seen[-1] == ("epochs", 1, 1)


def test_it_trains_with_the_threads_that_were_asked_for(folder, begin):
    begin(folder(train=2, val=1), machine=Machine(threads=2))
    assert torch.get_num_threads() == 2


def unread(tmp_path):
    """A data folder that fails when it is looked at."""
    return tmp_path / "nowhere"


def test_a_misspelled_network_is_found_before_data_is_read(begin, tmp_path):
    with pytest.raises(ConfigError, match="'unxt'"):
        begin(unread(tmp_path), model="unxt")


def test_a_wrong_option_is_found_before_data_is_read(begin, tmp_path):
    with pytest.raises(ConfigError, match="'False'"):
        begin(unread(tmp_path), model="scunext", options={"skip": "False"})


def test_a_run_that_is_there_is_found_before_data_is_read(begin, folder, tmp_path):
    begin(folder(train=2, val=1))
    with pytest.raises(ConfigError, match="holds a run already"):
        begin(unread(tmp_path))


def test_a_missing_gpu_is_found_before_data_is_read(begin, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(BackendUnavailable, match="1 x cuda"):
        begin(unread(tmp_path), machine=Machine(accelerator="cuda"))


def test_only_the_process_that_the_user_started_speaks(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert speaks()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not speaks()


def command(*arguments, program=("-m", "scunext_edge"), **environment):
    return subprocess.run(
        [sys.executable, *program, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def test_asking_for_a_gpu_that_is_not_there_ends_with_code_3(folder, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = command(
        *("train", "unext", "--data", folder(train=2, val=1), "--out", tmp_path / "run"),
        *("--accelerator", "cuda", "--batch", "2", "--size", "32"),
    )
    assert done.returncode == 3
    assert "cannot train on 1 x cuda" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow  # `make test-long`
@pytest.mark.parametrize(
    ("model", "settings"),
    [("unext", ""), ("scunext", "sides = true\nrestore = 0.5")],  # heads that one phase needs not
    ids=["plain", "heads"],
)
def test_two_processes_share_the_images_and_keep_equal_weights(folder, tmp_path, model, settings):
    out, preset = tmp_path / "run", tmp_path / "preset.toml"
    preset.write_text(f'preset = "fast"\n{settings}\n')
    done = command(
        *("train", model, "--data", folder(train=16, val=2), "--out", out, "--epochs", "1"),
        *("--preset", preset),
        *("--accelerator", "cpu", "--devices", "2", "--batch", "2", "--size", "32"),
        program=(SCRIPT,),
        RECORD_TO=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{r}.json").read_text()) for r in range(2))
    assert len(first) == len(second) == 4  # two of each phase: DDP stops at the second
    for (images, weights), (other_images, other_weights) in zip(first, second, strict=True):
        assert images != other_images
        assert weights == other_weights
    assert first[0][1] != first[1][1]
    assert done.stdout.count("validation Dice") == 1
    assert done.stderr.count("packing train") <= 1
    assert artifacts.load(out / "best").card.details["training"]["epoch"] == 1
    assert len((out / "log.csv").read_text().splitlines()) == 2
