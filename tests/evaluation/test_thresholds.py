"""The Dice of every threshold at once is the Dice of each, and the best one is found."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.evaluation.thresholds import GRID, choose, dice_curve
from scunext_edge.metrics import score
from scunext_edge.runtime.predictor import logit_of


@pytest.fixture
def logits():
    found = np.random.default_rng(0).normal(0, 2, (24, 30)).astype(np.float32)
    found[0, :3] = [0.0, np.float32(logit_of(0.3)), np.float32(logit_of(0.9))]  # right on a cut
    return found


@pytest.mark.parametrize("kind", ["some", "none", "all"])
def test_a_curve_is_the_score_at_every_threshold(logits, kind):
    truth = {"some": logits > 1, "none": logits > 99, "all": logits > -99}[kind]
    truth[3:6] = kind != "none"
    curve = dice_curve(logits, truth)
    wanted = [score(logits > np.float32(logit_of(it)), truth).dice for it in GRID]
    np.testing.assert_allclose(curve, wanted, rtol=0, atol=1e-15)


def test_nothing_found_where_nothing_is_counts_as_right(logits):
    curve = dice_curve(np.full_like(logits, -9), np.zeros(logits.shape, bool))
    assert (curve == 1).all()


def bump(at, height=0.9):
    return height - np.abs(np.array(GRID) - at)


def test_the_best_mean_wins_and_says_how_sure_it_is():
    found = choose(np.array([bump(0.3), bump(0.4), bump(0.41)]))
    assert found.threshold == 0.4
    assert found.dice == pytest.approx(0.9 - 0.11 / 3)
    assert found.dice_at_half == pytest.approx(0.9 - 0.39 / 3)
    assert 0.3 <= found.low < 0.4 <= found.high <= 0.41
    assert len(found.curve) == len(GRID)


def test_alike_pictures_leave_no_doubt():
    found = choose(np.array([bump(0.62)] * 5))
    assert found.low == found.threshold == found.high == 0.62


def test_of_equal_thresholds_the_one_nearest_to_half_is_taken():
    flat = np.full((4, len(GRID)), 0.7)
    assert choose(flat).threshold == 0.5
    flat[:, GRID.index(0.5)] = 0.1
    assert choose(flat).threshold in (0.49, 0.51)
