"""The first steps of a recipe at half the size: which, of what, and with what network after."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scunext_edge.errors import ConfigError
from scunext_edge.models.checkpoint import load_network
from scunext_edge.training.batches import batches
from scunext_edge.training.schedule import is_halved
from scunext_edge.training.step import half, new_learner, take_step
from scunext_edge.training.train import train


def test_the_first_steps_are_halved_and_of_none_without_it(recipe):
    asked = replace(recipe, halved=0.75)
    assert [is_halved(asked, step, 40) for step in (0, 29, 30, 39)] == [True, True, False, False]
    assert not is_halved(recipe, 0, 40)


def test_half_is_the_mean_of_four():
    maps = torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 8.0]])[None, None]
    assert half(maps).tolist() == [[[[0.75, 2.0]]]]


def sizes_met(learner, images, truth, steps):
    """The sides of what the network sees in each of ``steps``."""
    met = []
    hook = learner.network.network.register_forward_pre_hook(
        lambda _, given: met.append(tuple(given[0].shape[2:]))
    )
    for step in steps:
        assert torch.isfinite(take_step(learner, images, truth, number=step, total=8))
    hook.remove()
    return met


def test_the_network_sees_half_the_picture_and_then_the_whole(lesions, recipe):
    learner = new_learner("scunext", replace(recipe, precision="fp32", halved=0.5))
    images, truth = next(batches(lesions, learner.recipe, epoch=0))
    assert sizes_met(learner, images, truth, (3, 4)) == [(32, 32), (64, 64)]


def test_what_is_halved_lies_as_the_picture_does(lesions, recipe):
    """The loss of a network that copies the mask from its input: 0 only if both are halved alike.

    The picture is its own mask here, so a half that were turned or shifted would cost.
    """
    asked = replace(recipe, precision="fp32", halved=0.5, edge=0.0, lr=0.0, warmup=0.0)
    learner = new_learner("unext", asked)
    _, truth = next(batches(lesions, asked, epoch=0))

    def copied(image):
        """Far above 0 where the picture is brighter than its middle."""
        scale, offset = learner.network.scale, learner.network.offset
        grey = ((image - offset) / scale)[:, :1] / 255
        return 40 * (grey - 0.5) + 0 * learner.network.network.final.bias.sum()

    learner.network.network.forward = copied
    pictures = (255 * truth).permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous()
    whole = float(take_step(learner, pictures, truth, number=7, total=8))
    halved = float(take_step(learner, pictures, truth, number=0, total=8))
    shifted = float(take_step(learner, pictures.roll(8, 1), truth, number=0, total=8))
    assert whole == pytest.approx(0, abs=1e-3)
    assert halved < 0.1 < shifted  # the soft edge of a half costs a little


def test_a_teacher_looks_at_the_whole_picture(lesions, recipe):
    asked = replace(recipe, precision="fp32", halved=0.5, distil=1.0)
    seen = []

    class Seer(torch.nn.Module):
        def forward(self, images):
            seen.append(tuple(images.shape[1:3]))
            return torch.full((len(images), 1, *images.shape[1:3]), 0.5)

    learner = new_learner("unext", asked, teacher=Seer())
    images, truth = next(batches(lesions, asked, epoch=0))
    assert sizes_met(learner, images, truth, (0, 7)) == [(32, 32), (64, 64)]
    assert seen == [(64, 64), (64, 64)]


def test_a_run_is_validated_and_saved_at_the_whole_size(job):
    best = train(job(halved=0.5, epochs=2))
    assert best.spec.size == 64
    assert load_network(best)(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape[2:] == (64, 64)


def test_a_size_whose_half_no_network_takes_is_refused(recipe):
    with pytest.raises(ConfigError, match="half of 96 pixels"):
        replace(recipe, size=96, halved=0.5)
    assert replace(recipe, size=96).halved == 0
