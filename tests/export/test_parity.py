from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.errors import ExportError
from scunext_edge.export.parity import Parity, check, compare, default_images

IMAGES = np.zeros((6, 32, 32, 3), np.uint8)


def constant(value, *, at=None, becomes=None):
    """A model that gives ``value`` everywhere, but ``becomes`` at one place."""

    def forward(images):
        logits = np.full((len(images), 1, *images.shape[1:3]), value, np.float32)
        if at is not None:
            logits[at] = becomes
        return logits

    return forward


def test_equal_models_are_equal():
    found = compare(constant(1.0), constant(1.0), IMAGES, of=("a", "b"))
    assert found == Parity(max_logit_difference=0, flipped_pixels=0, images=6, of=("a", "b"))


def test_a_flip_is_counted_once_per_batch_of_images():
    """Images go in batches of 4 and 2: the pixel differs in both."""
    found = compare(constant(0.5), constant(0.5, at=(0, 0, 3, 4), becomes=-0.25), IMAGES)
    assert found.max_logit_difference == 0.75
    assert found.flipped_pixels == 2 / (6 * 32 * 32)


def test_a_difference_on_the_same_side_is_no_flip():
    assert compare(constant(3.0), constant(0.1), IMAGES).flipped_pixels == 0


def test_zero_counts_as_background():
    assert compare(constant(0.0), constant(-1.0), IMAGES).flipped_pixels == 0
    assert compare(constant(0.0), constant(1e-6), IMAGES).flipped_pixels == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("precision_side", [0, 1])
def test_a_logit_that_is_no_number_is_an_error(bad, precision_side):
    models = [constant(1.0), constant(1.0)]
    models[precision_side] = constant(1.0, at=(0, 0, 0, 0), becomes=bad)
    with pytest.raises(ExportError, match="not a number"):
        compare(*models, IMAGES)


def test_another_shape_is_an_error():
    with pytest.raises(ExportError, match="shape"):
        compare(constant(1.0), lambda images: np.zeros((len(images), 32, 32)), IMAGES)


@pytest.mark.parametrize(
    ("precision", "difference", "flipped", "passes"),
    [
        ("fp32", 1e-3, 1e-4, True),
        ("fp32", 1.1e-3, 0, False),
        ("fp32", 0, 1.1e-4, False),
        ("fp16", 5.0, 1e-3, True),
        ("fp16", 0, 1.1e-3, False),
        ("int8", 50.0, 0.5, True),
    ],
)
def test_the_limits(precision, difference, flipped, passes):
    found = Parity(max_logit_difference=difference, flipped_pixels=flipped, images=1, of=("a", "b"))
    if passes:
        assert check(found, precision) is found
        return
    with pytest.raises(ExportError, match="b does not compute what a does"):
        check(found, precision)


def test_default_images_are_lesions_at_the_networks_size():
    images = default_images(96)
    assert images.shape == (4, 96, 96, 3)
    assert images.dtype == np.uint8
    assert len({image.tobytes() for image in images}) == 4
