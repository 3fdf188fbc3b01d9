from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scunext_edge.artifacts import load
from scunext_edge.errors import ConfigError
from scunext_edge.models.checkpoint import load_network
from scunext_edge.training import train as training
from scunext_edge.training.batches import batches
from scunext_edge.training.step import new_learner, take_step
from scunext_edge.training.teacher import Teacher, open_teacher
from scunext_edge.training.train import train


@pytest.fixture(autouse=True)
def draws(monkeypatch):
    monkeypatch.setattr(training, "draw_curves", lambda path, epochs: False)


@pytest.fixture
def taught(job):
    """A finished run that may teach, and the job of its student."""
    train(job("teacher", epochs=1))
    folder = job("teacher").out / "best"
    return folder, replace(job("student", epochs=2, distil=0.5), teachers=[folder])


def test_a_teacher_gives_the_mean_probability_and_learns_nothing(taught):
    folder, asked = taught
    teacher, (artifact,) = open_teacher([folder], asked.recipe, asked.data)
    images = torch.randint(0, 256, (2, 64, 64, 3)).float()
    alone = torch.sigmoid(load_network(artifact)(images))
    torch.testing.assert_close(teacher.train()(images), alone)
    assert not teacher(images).requires_grad
    other = load_network(artifact)
    torch.nn.init.zeros_(other.network.final.weight)
    torch.nn.init.zeros_(other.network.final.bias)
    both = Teacher([load_network(artifact), other])
    torch.testing.assert_close(both(images), (alone + 0.5) / 2)


def test_a_step_counts_the_teacher_as_the_recipe_says(taught, lesions, recipe):
    folder, asked = taught
    losses = []
    for weight in (0.0, 0.5, 1.0):
        recipe = replace(asked.recipe, distil=weight, precision="fp32")
        teacher = open_teacher([folder], asked.recipe, asked.data)[0]
        learner = new_learner("unext", recipe, teacher=teacher)
        batch = next(batches(lesions, recipe, epoch=0))
        losses.append(take_step(learner, *batch, number=0, total=10))
    assert losses[1] > losses[0] + 0.1
    torch.testing.assert_close(losses[2] - losses[0], 2 * (losses[1] - losses[0]))


def test_a_run_says_who_taught_it_and_goes_on_with_the_same_alone(taught, job):
    _folder, asked = taught
    best = train(asked)
    (told,) = best.card.details["training"]["start"]["teachers"]
    assert told["model"] == "unext"
    train(job("another", epochs=1, seed=5))
    other = replace(asked, teachers=[job("another").out / "best"])
    with pytest.raises(ConfigError, match="start"):
        train(other, resume=True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"train_hash": "other", "val_hash": "v"}, "was trained on other images"),
        ({"train_hash": "t", "val_hash": "other"}, "was chosen by other images"),
        ({"train_hash": "t"}, "was chosen by other images"),
        ({}, "was trained on other images"),
    ],
)
def test_a_teacher_of_other_images_is_refused(taught, data, said):
    _folder, asked = taught
    with pytest.raises(ConfigError, match=said) as caught:
        train(replace(asked, data=data))
    assert "scored" in str(caught.value)


def test_a_teacher_whose_card_does_not_say_what_it_saw_is_refused(taught, tmp_path):
    from scunext_edge.models.checkpoint import random_network

    _folder, asked = taught
    random_network("unext", tmp_path / "random", size=64)
    with pytest.raises(ConfigError, match="does not say which"):
        open_teacher([tmp_path / "random"], asked.recipe, {})


@pytest.mark.parametrize(
    ("tuned_on", "said"),
    [
        ({"train_hash": "t", "val_hash": "v"}, None),
        ({"train_hash": "other", "val_hash": "v"}, r"trained on other images .*\(tuning: other"),
        ({"train_hash": "t", "val_hash": "other"}, r"chosen by other images .*\(tuning: other"),
        ({}, "does not say which"),
    ],
)
def test_what_a_teacher_was_tuned_on_counts_as_well(taught, job, tuned_on, said):
    _folder, asked = taught
    data = {**asked.data, **tuned_on} if tuned_on else {}
    tuned = replace(job("tuned", epochs=1), data=data, account="tuning")
    own = load(taught[0]).card.details["training"]
    best = train(replace(tuned, details={"training": own})).directory
    if said is None:
        assert open_teacher([best], asked.recipe, asked.data)[0] is not None
        return
    with pytest.raises(ConfigError, match=said):
        open_teacher([best], asked.recipe, asked.data)


def test_a_teacher_of_another_size_is_refused(taught):
    folder, asked = taught
    with pytest.raises(ConfigError, match="64 pixels, not 96"):
        open_teacher([folder], replace(asked.recipe, size=96), asked.data)


def test_a_teacher_and_its_weight_come_together(taught):
    folder, asked = taught
    with pytest.raises(ConfigError, match="there is no teacher"):
        open_teacher([], asked.recipe, asked.data)
    with pytest.raises(ConfigError, match="distil is 0"):
        open_teacher([folder], replace(asked.recipe, distil=0.0), asked.data)
