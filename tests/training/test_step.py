from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scunext_edge.training.batches import batches
from scunext_edge.training.schedule import rate
from scunext_edge.training.step import LARGEST_GRADIENT, follow, new_learner, take_step


@pytest.fixture
def learn(lesions, recipe):
    """Take one step and return the learner and the loss: learn(average=0.0)."""

    def make(*, number=0, total=100, watch=lambda learner: None, **changes):
        changed = replace(recipe, **changes)
        learner = new_learner("unext", changed)
        learner.module.train()
        watch(learner)
        batch = next(batches(lesions, changed, epoch=0))
        return learner, take_step(learner, *batch, number=number, total=total)

    return make


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_convolutions_run_in_the_precision_of_the_recipe(learn, precision, dtype):
    met = []

    def watch(learner):
        conv = learner.network.network.encoder.stage1.conv
        conv.register_forward_hook(lambda module, inputs, output: met.append(output.dtype))

    learner, loss = learn(precision=precision, watch=watch)
    assert met == [dtype]
    assert loss.dtype == torch.float32
    assert {p.dtype for p in learner.network.parameters()} == {torch.float32}


def test_the_rate_is_that_of_the_step(learn):
    learner, _ = learn(number=40)
    assert learner.optimizer.param_groups[0]["lr"] == rate(learner.recipe, 40, 100)


def test_large_gradients_are_scaled_down(learn):
    def blow_up(learner):
        with torch.no_grad():
            learner.network.network.final.weight.mul_(1e3)

    learner, _ = learn(precision="fp32", watch=blow_up)
    norms = [p.grad.norm() for p in learner.network.parameters()]
    assert float(torch.stack(norms).norm()) == pytest.approx(LARGEST_GRADIENT, rel=1e-3)


def test_the_loss_holds_no_graph(learn):
    assert not learn()[1].requires_grad


def test_weights_follow_from_the_seed(recipe):
    same, other = (
        [new_learner("unext", replace(recipe, seed=seed)).network.state_dict() for seed in seeds]
        for seeds in ((1, 1), (1, 2))
    )
    assert all(torch.equal(same[0][key], same[1][key]) for key in same[0])
    assert not torch.equal(other[0]["network.final.weight"], other[1]["network.final.weight"])


def test_an_average_moves_by_its_decay_and_counters_are_copied():
    mean, now = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    with torch.no_grad():
        now.weight.fill_(2)
        now.num_batches_tracked.fill_(7)
    follow(mean, now, 0.9, step=10_000)
    assert mean.weight.item() == pytest.approx(1.1)
    assert mean.num_batches_tracked.item() == 7


def test_a_young_average_forgets_its_start():
    mean, now = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    with torch.no_grad():
        mean.weight.fill_(1)
        now.weight.fill_(2)
    follow(mean, now, 0.998, step=0)
    assert mean.weight.item() == pytest.approx(1.9)
