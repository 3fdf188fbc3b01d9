"""Whole runs on drawn lesions: a few seconds, and every promise that a run makes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import safetensors
import torch
from safetensors.torch import load_file, save_file

from scunext_edge import artifacts
from scunext_edge.errors import ArtifactError, BackendUnavailable, ConfigError
from scunext_edge.models.checkpoint import WEIGHTS, load_network
from scunext_edge.training import passes, state
from scunext_edge.training import train as training
from scunext_edge.training.log import read_log
from scunext_edge.training.passes import validated
from scunext_edge.training.train import check_out, train


@pytest.fixture(autouse=True)
def draws(request, monkeypatch):
    """Drawing the curves takes longer than an epoch: only where a test looks at them."""
    if "curves" not in request.node.name:
        monkeypatch.setattr(training, "draw_curves", lambda path, epochs: False)


class Enough(Exception):
    """Stops a run from a callback."""


def stop_after(epoch):
    def on_epoch(latest):
        if latest.epoch == epoch:
            raise Enough

    return on_epoch


def interrupt_in(epoch, *, steps=4):
    """Ctrl-C in the second step of an epoch."""
    taken = 0

    def on_step(step, of):
        nonlocal taken
        taken += 1
        if taken == (epoch - 1) * steps + 2:
            raise KeyboardInterrupt

    return on_step


def weights(out, name="last"):
    return load_file(out / name / WEIGHTS)


def assert_same_state(one, other):
    mine, theirs = (load_file(out / state.FILE) for out in (one, other))
    assert mine.keys() == theirs.keys()
    assert [key for key in mine if not torch.equal(mine[key], theirs[key])] == []


def test_a_run_learns_to_segment_drawn_lesions(job):
    asked = job(model="scunext", epochs=9, lr=1e-2, zoom=0.0, edge=0.0, average=0.8)
    best = train(asked)
    log = read_log(asked.out / "log.csv", until=9)
    assert log[-1].loss < 0.6 * log[0].loss
    assert max(epoch.val_dice for epoch in log) > 0.5
    assert best.card.details["training"]["val_dice"] == max(epoch.val_dice for epoch in log)


def test_a_run_leaves_checkpoints_log_curves_and_state(job):
    asked = job(epochs=2)
    reported = []
    best = train(asked, on_epoch=reported.append)
    found = {path.name for path in asked.out.iterdir()}
    assert found == {"best", "last", "curves.svg", "log.csv", state.FILE}
    assert best.directory == asked.out / "best"
    assert read_log(asked.out / "log.csv", until=2) == reported
    assert b"<svg" in (asked.out / "curves.svg").read_bytes()


def test_the_card_accounts_for_the_training(job):
    asked = job(model="scunext", options={"skip": False}, epochs=1, edge=0.25)
    card = train(asked).card
    training = card.details["training"]
    assert (card.model, card.options) == ("scunext", {"skip": False})
    assert card.spec.size == 64
    assert training["recipe"]["edge"] == 0.25
    assert training["data"]["name"] == "synthetic"
    assert training["epoch"] == 1
    assert {"commit", "version"} <= training["tool"].keys()


def test_the_best_checkpoint_is_that_of_the_best_epoch(job):
    asked = job(epochs=4, lr=3e-3, average=0.0)
    kept = {}
    best = train(asked, on_epoch=lambda epoch: kept.update({epoch.epoch: weights(asked.out)}))
    log = read_log(asked.out / "log.csv", until=4)
    top = max(log, key=lambda epoch: epoch.val_dice)
    assert best.card.details["training"]["epoch"] == top.epoch
    stored = weights(asked.out, "best")
    assert all(torch.equal(stored[key], kept[top.epoch][key]) for key in stored)
    assert artifacts.load(asked.out / "last").card.details["training"]["epoch"] == 4


def test_what_is_stored_scores_what_the_card_says(job):
    asked = job(epochs=2)
    network = load_network(train(asked)).network
    dice, iou = validated(network, asked.val)
    training = artifacts.load(asked.out / "best").card.details["training"]
    assert (dice, iou) == (training["val_dice"], training["val_iou"])


@pytest.mark.parametrize("average", [0.0, 0.9], ids=["weights", "averaged weights"])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_resumed_run_ends_bit_by_bit_like_one_in_one_go(job, average, precision):
    changes = {"average": average, "precision": precision, "weight_decay": 0.01}
    whole, parted = job("whole", **changes), job("parted", **changes)
    train(whole)
    with pytest.raises(Enough):
        train(parted, on_epoch=stop_after(2))
    train(parted, resume=True)
    assert_same_state(whole.out, parted.out)
    for name in ("best", "last"):
        assert artifacts.load(whole.out / name).id == artifacts.load(parted.out / name).id
    logs = [read_log(asked.out / "log.csv", until=4) for asked in (whole, parted)]
    assert [replace(e, seconds=0) for e in logs[0]] == [replace(e, seconds=0) for e in logs[1]]


def test_an_interruption_costs_the_epoch_under_way_and_no_more(job):
    whole, stopped = job("whole"), job("stopped")
    train(whole)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, on_step=interrupt_in(3))
    assert artifacts.load(stopped.out / "last").card.details["training"]["epoch"] == 2
    assert len(read_log(stopped.out / "log.csv", until=2)) == 2
    train(stopped, resume=True)
    assert_same_state(whole.out, stopped.out)


def test_an_interruption_between_checkpoint_and_state_is_made_good(job, monkeypatch):
    whole, stopped = job("whole"), job("stopped")
    train(whole)
    save = state.save_state

    def fail_in_epoch_3(path, **parts):
        if parts["epoch"] == 3:
            raise KeyboardInterrupt
        save(path, **parts)

    with monkeypatch.context() as patch:
        patch.setattr(state, "save_state", fail_in_epoch_3)
        with pytest.raises(KeyboardInterrupt):
            train(stopped)
    assert len(read_log(stopped.out / "log.csv", until=3)) == 3  # ahead of the state
    train(stopped, resume=True)
    assert_same_state(whole.out, stopped.out)


def test_a_finished_run_resumes_into_nothing_to_do(job):
    asked = job(epochs=1)
    first = train(asked)
    steps = []
    assert train(asked, resume=True, on_step=lambda *step: steps.append(step)).id == first.id
    assert steps == []


@pytest.fixture
def begun(job):
    """A run of four epochs that stopped after the first."""
    asked = job()
    with pytest.raises(Enough):
        train(asked, on_epoch=stop_after(1))
    return asked


def test_a_run_is_not_overwritten_by_another(begun):
    with pytest.raises(ConfigError, match="holds a run already") as caught:
        train(begun)
    assert "--resume" in caught.value.hint


def test_a_folder_without_a_run_cannot_be_resumed(job, tmp_path):
    with pytest.raises(ConfigError, match="holds no run"):
        train(job(), resume=True)
    with pytest.raises(ConfigError, match="holds no run"):
        check_out(tmp_path / "nowhere", resume=True)


def test_a_run_does_not_go_on_with_another_recipe(begun):
    changed = replace(begun, recipe=replace(begun.recipe, lr=1e-4, epochs=9))
    with pytest.raises(ConfigError, match=r"epochs: 4 then, 9 now; lr: 0.0015 then, 0.0001 now"):
        train(changed, resume=True)


@pytest.mark.parametrize(
    "changes",
    [{"model": "scunext"}, {"data": {"train_hash": "other", "val_hash": "v"}}],
    ids=["network", "data"],
)
def test_a_run_does_not_go_on_with_another_network_or_data(begun, changes):
    with pytest.raises(ConfigError, match="another model or data"):
        train(replace(begun, **changes), resume=True)


def cut_state(out):
    path = out / state.FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_log(out):
    (out / "log.csv").write_text("epoch,lr\n1,")


def lose_log(out):
    (out / "log.csv").unlink()


def empty_log(out):
    (out / "log.csv").write_text("epoch,lr,loss,val_dice,val_iou,seconds\n")


@pytest.mark.parametrize("damage", [cut_state, cut_log, lose_log, empty_log])
def test_a_damaged_run_is_an_error_and_the_checkpoint_stays_whole(begun, damage):
    damage(begun.out)
    with pytest.raises(ArtifactError):
        train(begun, resume=True)
    load_network(artifacts.load(begun.out / "last"))


def test_a_state_of_the_first_schema_is_still_read(begun, job):
    path = begun.out / state.FILE
    with safetensors.safe_open(path, "pt") as file:
        note = json.loads(file.metadata()["state"])
    del note["subject"]
    save_file(load_file(path), path, metadata={"state": json.dumps({**note, "schema": 1})})
    train(begun, resume=True)
    whole = job("whole")
    train(whole)
    assert_same_state(whole.out, begun.out)
    save_file(load_file(path), path, metadata={"state": json.dumps({**note, "schema": 9})})
    with pytest.raises(ArtifactError, match="schema 9"):
        train(begun, resume=True)


def test_the_edge_term_can_be_switched_off(job):
    with_edge, without = job("with", epochs=1), job("without", epochs=1, edge=0.0)
    train(with_edge)
    train(without)
    losses = [read_log(asked.out / "log.csv", until=1)[0].loss for asked in (with_edge, without)]
    assert losses[1] < losses[0]


def test_the_papers_optimizer_trains_too(job):
    asked = job(epochs=2, optimizer="adam", average=0.0, warmup=0.0)
    train(asked)
    log = read_log(asked.out / "log.csv", until=2)
    assert log[1].lr == pytest.approx(asked.recipe.lr_final)
    assert log[1].loss < log[0].loss


def test_without_averaging_the_checkpoint_holds_the_weights_themselves(job):
    asked = job(epochs=1, average=0.0)
    train(asked)
    held, stored = load_file(asked.out / state.FILE), weights(asked.out)
    assert all(torch.equal(held[f"network.network.{key}"], stored[key]) for key in stored)


def test_averaged_weights_lag_behind_the_weights(job):
    asked = job(epochs=1, average=0.9)
    train(asked)
    held, stored = load_file(asked.out / state.FILE), weights(asked.out)
    assert not torch.equal(held["network.network.final.weight"], stored["final.weight"])
    assert torch.isfinite(stored["final.weight"]).all()


def test_a_run_that_diverges_says_so_and_keeps_what_it_had(job, monkeypatch):
    asked = job()
    take = passes.take_step

    def diverge(learner, images, truth, *, number, total):
        loss = take(learner, images, truth, number=number, total=total)
        return loss * float("nan") if number == 5 else loss

    monkeypatch.setattr(passes, "take_step", diverge)
    with pytest.raises(ConfigError, match="the loss of epoch 2 is nan"):
        train(asked)
    assert artifacts.load(asked.out / "last").card.details["training"]["epoch"] == 1


@pytest.mark.parametrize("devices", [1, 4])
def test_a_gpu_that_is_not_there_is_unavailable(job, devices):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    asked = replace(job(), accelerator="cuda", devices=devices)
    with pytest.raises(BackendUnavailable, match=f"{devices} x cuda") as caught:
        train(asked)
    assert caught.value.exit_code == 3
    assert not asked.out.exists()


def test_a_device_that_nobody_knows_is_unavailable(job):
    with pytest.raises(BackendUnavailable, match="1 x abacus"):
        train(replace(job(), accelerator="abacus"))
