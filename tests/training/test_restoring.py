from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scunext_edge.errors import ConfigError
from scunext_edge.training.batches import batches
from scunext_edge.training.restoring import hide, restored, restoring_loss
from scunext_edge.training.schedule import phase, rate
from scunext_edge.training.step import new_learner, take_step


@pytest.fixture
def learner(recipe):
    return new_learner("scunext", replace(recipe, precision="fp32", restore=0.5, average=0.9))


def test_a_run_without_it_has_one_phase_and_one_with_it_two(recipe):
    assert phase(recipe, 7, 40) == (False, 7, 40)
    half = replace(recipe, restore=0.25)
    assert [phase(half, step, 40) for step in (0, 9, 10, 39)] == [
        (True, 0, 10),
        (True, 9, 10),
        (False, 0, 30),
        (False, 29, 30),
    ]
    _, last, steps = phase(half, 9, 40)
    assert rate(half, last, steps) == pytest.approx(half.lr_final)


def test_whole_patches_are_hidden_behind_the_mean_colour():
    images = torch.rand(64, 32, 64, 3) * 255
    hidden, where = hide(images, np.random.default_rng(0))
    assert where.shape == (64, 1, 32, 64)
    assert 0.55 < where.float().mean() < 0.65
    patches = where.reshape(64, 8, 4, 8, 8).float().mean((2, 4))
    assert set(patches.unique().tolist()) == {0.0, 1.0}
    inside = where[:, 0, :, :, None].expand_as(images)
    assert torch.equal(hidden[~inside], images[~inside])
    mean = images.mean((1, 2), keepdim=True).expand_as(images)
    assert torch.equal(hidden[inside], mean[inside])


def test_the_loss_counts_hidden_pixels_alone():
    images = torch.rand(2, 16, 16, 3) * 255
    where = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    where[:, :, :8] = True
    exact = (images / 127.5 - 1).permute(0, 3, 1, 2)
    wrong_elsewhere = torch.where(where, exact, 9.0)
    assert restoring_loss(wrong_elsewhere, images, where) == pytest.approx(0, abs=1e-6)
    assert restoring_loss(exact + 0.5, images, where) == pytest.approx(0.5, abs=1e-6)


def test_the_restored_picture_lies_as_the_picture_does(learner):
    network = learner.network.network.train()
    with torch.no_grad():
        network.restorer.weight.zero_()
        network.restorer.bias.copy_(torch.arange(12.0))
    with restored(network) as found:
        network(torch.rand(1, 3, 64, 64))
    assert found[0].shape == (1, 3, 64, 64)  # of each channel, 2 x 2 pixels a place
    assert found[0][0, :, :2, :2].flatten().tolist() == list(range(12))


def test_patches_are_learned_without_masks_and_then_masks(lesions, learner):
    images, truth = next(batches(lesions, learner.recipe, epoch=0))
    lost = [
        float(take_step(learner, images, truth * float("nan"), number=step, total=60))
        for step in range(30)
    ]
    assert np.mean(lost[-5:]) < 0.85 * np.mean(lost[:5])
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(learner.recipe.lr_final)
    first = float(take_step(learner, images, truth, number=30, total=60))
    assert first > 0.5  # of a network that knows nothing of masks
    assert all(it.grad is not None for it in learner.network.parameters())  # what DDP waits for


def test_the_restorer_leaves_the_start_and_what_is_saved_as_they_were(recipe, learner):
    plain = new_learner("scunext", replace(recipe, precision="fp32")).trained.state_dict()
    found = learner.trained.state_dict()
    assert plain.keys() == found.keys()
    assert all(torch.equal(plain[key], found[key]) for key in plain)


def test_it_stands_beside_auxiliary_heads(lesions, recipe):
    changed = replace(recipe, restore=0.5, sides=True)
    learner, batch = new_learner("scunext", changed), next(batches(lesions, changed, epoch=0))
    for number in (0, 50):
        take_step(learner, *batch, number=number, total=100)
        assert all(it.grad is not None for it in learner.network.parameters())
    assert not any("restorer" in key or "heads" in key for key in learner.trained.state_dict())


def test_a_network_without_stages_is_refused(recipe):
    with pytest.raises(ConfigError, match="no stages to restore"):
        new_learner("unext", replace(recipe, restore=0.5))
