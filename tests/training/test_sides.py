from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from scunext_edge.errors import ConfigError
from scunext_edge.training import state
from scunext_edge.training.batches import batches
from scunext_edge.training.fake_quantization import FakeQuantized
from scunext_edge.training.sides import side_logits
from scunext_edge.training.step import new_learner, take_step


class Sided(nn.Module):
    """Two heads inside, called in the other order and in training alone."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.heads = nn.ModuleList(nn.Conv2d(4, 1, 1) for _ in range(2))
        self.final = nn.Conv2d(4, 1, 1)

    def forward(self, image):
        features = self.body(image)
        if self.training:
            self.heads[1](features)
            self.heads[0](nn.functional.max_pool2d(features, 4))
        return self.final(features)

    def side_heads(self):
        return list(self.heads)


def test_what_the_heads_give_comes_in_the_order_of_the_heads():
    network = Sided()
    with side_logits(nn.Sequential(nn.Identity(), network)) as sides:
        network(torch.rand(2, 3, 16, 16))
    assert [side.shape for side in sides] == [(2, 1, 4, 4), (2, 1, 16, 16)]
    assert not any(head._forward_hooks for head in network.heads)


def test_heads_are_found_behind_the_rounding_of_a_fine_tuning():
    network = Sided()
    wrapped = FakeQuantized(network, {})
    network.train()  # which the wrapper prevents: these heads are of training alone
    with side_logits(wrapped) as sides:
        network(torch.rand(1, 3, 16, 16))
    assert len(sides) == 2


def test_a_network_without_heads_has_no_sides():
    network = nn.Conv2d(3, 1, 1)
    with side_logits(network) as sides:
        network(torch.rand(1, 3, 8, 8))
    assert sides == []


def test_hooks_go_when_the_forward_pass_fails():
    network = Sided()
    with pytest.raises(RuntimeError), side_logits(network):
        network(torch.rand(1, 5, 16, 16))
    assert not any(head._forward_hooks for head in network.heads)


@pytest.fixture
def loss(lesions, recipe):
    """The loss of a first step of egeunet: loss(deep=0.5)."""

    def make(**changes):
        changed = replace(recipe, precision="fp32", **changes)
        learner = new_learner("egeunet", changed)
        batch = next(batches(lesions, changed, epoch=0))
        return take_step(learner, *batch, number=0, total=100)

    return make


def test_a_step_counts_the_sides_as_the_recipe_says(loss):
    none, half, whole = loss(deep=0.0), loss(deep=0.5), loss(deep=1.0)
    assert half > none + 0.5  # five maps that know nothing: 1.5 times 0.35 and a Dice loss
    torch.testing.assert_close(whole - none, 2 * (half - none))


def test_a_run_older_than_the_setting_goes_on(recipe, tmp_path):
    learner, path = new_learner("unext", recipe), tmp_path / state.FILE
    state.save_state(path, learner=learner, subject={}, epoch=3)
    with state.safetensors.safe_open(path, "pt") as file:
        note = json.loads(file.metadata()["state"])
    del note["recipe"]["deep"]
    save_file(load_file(path), path, metadata={"state": json.dumps(note)})
    assert state.load_state(path, learner=learner, subject={}) == 3


def test_heads_on_the_decoder_leave_the_start_and_what_is_saved_as_they_were(lesions, recipe):
    plain, headed = (new_learner("scunext", replace(recipe, sides=each)) for each in (False, True))
    assert plain.trained.state_dict().keys() == headed.trained.state_dict().keys()
    for one, other in zip(plain.trained.parameters(), headed.trained.parameters(), strict=True):
        assert torch.equal(one, other)
    batch = next(batches(lesions, recipe, epoch=0))
    costs = [float(take_step(each, *batch, number=0, total=100)) for each in (plain, headed)]
    assert costs[1] > costs[0] + 0.5  # four maps that know nothing
    heads = headed.network.network.heads
    assert [head.weight.shape[1] for head in heads] == [64, 32, 16, 8]
    assert all(head.weight.grad is not None for head in heads)


def test_heads_run_in_training_alone(recipe):
    network = new_learner("scunext", replace(recipe, sides=True)).network.network
    image = torch.rand(2, 3, 64, 64)
    with side_logits(network.train()) as sides:
        network(image)
    assert [side.shape[2:] for side in sides] == [(4, 4), (8, 8), (16, 16), (32, 32)]
    for head in network.heads:
        head.register_forward_hook(refuse)
    network.eval()(image)
    assert not any(stage._forward_hooks for stage, _ in network.network.stages())


def refuse(*_):
    raise AssertionError("a head ran outside of training")


def test_a_network_without_stages_takes_no_heads(recipe):
    with pytest.raises(ConfigError, match="no stages"):
        new_learner("unext", replace(recipe, sides=True))
