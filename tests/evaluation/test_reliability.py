"""Probabilities that hold, that promise too much, and that add up."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.evaluation.reliability import BINS, reliability


def logits_of(chances):
    chances = np.asarray(chances, float)
    return np.log(chances / (1 - chances)).astype(np.float32)


def picture(chance, hits, of=100):
    """``of`` pixels of one probability, ``hits`` of which are lesion."""
    truth = (np.arange(of) < hits).reshape(10, -1)
    return logits_of(np.full((10, of // 10), chance)), truth


@pytest.mark.parametrize(("hits", "ece"), [(30, 0.0), (50, 0.2), (0, 0.3)])
def test_ece_is_the_distance_between_promise_and_frequency(hits, ece):
    found = reliability(*picture(0.3, hits))
    assert found.ece == pytest.approx(ece, abs=1e-6)
    assert found.brier == pytest.approx((hits * 0.7**2 + (100 - hits) * 0.3**2) / 100, abs=1e-6)


def test_bins_are_fifteen_of_equal_width_and_hold_every_pixel():
    chances = (np.arange(BINS) + 0.5) / BINS
    found = reliability(logits_of(chances)[None], np.ones((1, BINS), bool))
    assert found.pixels.tolist() == [1] * BINS == found.lesion.tolist()
    np.testing.assert_allclose(found.probability, chances, atol=1e-6)
    extreme = reliability(np.array([[-1e4, 1e4]], np.float32), np.array([[False, True]]))
    assert (extreme.pixels[0], extreme.pixels[-1]) == (1, 1)
    assert extreme.ece == extreme.brier == 0


def test_pictures_that_err_to_both_sides_are_each_wrong_and_together_right():
    one, other = reliability(*picture(0.5, 100)), reliability(*picture(0.5, 0))
    assert one.ece == pytest.approx(0.5)
    assert (one + other).ece == pytest.approx(0)
    assert (one + other).brier == pytest.approx(0.25)
    assert (one + other).pixels.sum() == 200


def test_too_much_in_one_bin_does_not_make_up_for_too_little_in_another():
    both = reliability(*picture(0.2, 0)) + reliability(*picture(0.8, 100))
    assert both.ece == pytest.approx(0.2)
