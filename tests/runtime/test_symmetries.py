"""Eight views of a square: each can be undone, and together they favour none."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.runtime.symmetries import SYMMETRIES, look, seen, unseen


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def brightness(image):
    return (image.mean(axis=2, dtype=np.float32) - 127.5) / 127.5


def leaning(image):
    """A network that sees more on the right: its answer depends on how the picture lies."""
    return brightness(image) + np.linspace(-3, 3, image.shape[1], dtype=np.float32)


def ask(network, image):
    return look(image, network, network(image))


def test_the_views_are_eight_and_each_can_be_undone(image):
    views = [seen(image, *view) for view in SYMMETRIES]
    assert len({view.tobytes() for view in views}) == 8
    np.testing.assert_array_equal(views[0], image)
    for view, symmetry in zip(views, SYMMETRIES, strict=True):
        np.testing.assert_array_equal(unseen(view, *symmetry), image)


def test_a_network_without_a_side_is_as_before_and_never_in_doubt(image):
    found = ask(brightness, image)
    np.testing.assert_allclose(found.logits, brightness(image), atol=1e-5)
    assert found.deviation.max() < 1e-6


def test_the_mean_of_the_views_has_no_side(image):
    found = ask(leaning, image)
    for view in SYMMETRIES:
        turned = ask(leaning, seen(image, *view))
        np.testing.assert_allclose(turned.logits, seen(found.logits, *view), atol=1e-5)
        np.testing.assert_allclose(turned.deviation, seen(found.deviation, *view), atol=1e-6)
    assert found.deviation.mean() > 0.1


def test_the_probability_is_averaged_and_not_the_logit(image):
    answers = [unseen(leaning(seen(image, *view)), *view) for view in SYMMETRIES]
    chances = 1 / (1 + np.exp(-np.array(answers, float)))
    found = ask(leaning, image)
    np.testing.assert_allclose(1 / (1 + np.exp(-found.logits)), chances.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.deviation, chances.std(axis=0), atol=1e-6)


def test_logits_without_bounds_stay_finite(image):
    found = ask(lambda image: 1000 * brightness(image), image)
    assert np.isfinite(found.logits).all()
    assert found.deviation.max() <= 0.5
