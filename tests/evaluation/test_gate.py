"""The gate asks for proof: a mean that looks good is not enough, and a pair is a pair."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.evaluation.gate import check_limits, judge, paired_drop


def test_the_same_scores_drop_by_nothing_and_pass(evaluation):
    one = evaluation([0.9, 0.5, 0.0])
    drop = judge(one, one).drops["dice"]
    assert (drop.images, drop.mean, drop.upper, drop.worst) == (3, 0.0, 0.0, 0.0)
    assert judge(one, one, limits={"dice": 0.0}).passed


def test_a_drop_of_the_same_size_everywhere_is_known_exactly(evaluation):
    reference = evaluation([0.875, 0.5, 0.25])
    candidate = evaluation([0.75, 0.375, 0.125])
    drop = paired_drop(reference, candidate, "dice")
    assert (drop.mean, drop.upper, drop.worst) == (0.125, 0.125, 0.125)
    assert judge(reference, candidate, limits={"dice": 0.125}).passed
    assert not judge(reference, candidate, limits={"dice": 0.1249}).passed


def test_the_bound_is_that_of_the_bootstrap_and_its_answer_is_known(evaluation):
    """Two images with drops 0 and 0.2: the mean of two picks is 0, 0.1 or 0.2 by 1 : 2 : 1."""
    reference, candidate = evaluation([0.8, 0.8]), evaluation([0.8, 0.6])
    bounds = {
        confidence: paired_drop(reference, candidate, "dice", confidence=confidence).upper
        for confidence in (0.5, 0.7, 0.8, 0.95)
    }
    assert bounds == pytest.approx({0.5: 0.1, 0.7: 0.1, 0.8: 0.2, 0.95: 0.2})


def test_the_bound_agrees_with_the_normal_one_where_that_holds(evaluation):
    random = np.random.default_rng(3)
    drops = random.normal(0.004, 0.02, 2000)
    reference = evaluation([0.5] * 2000)
    candidate = evaluation(list(0.5 - drops))
    found = paired_drop(reference, candidate, "dice")
    expected = drops.mean() + 1.645 * drops.std() / math.sqrt(len(drops))
    assert found.upper == pytest.approx(expected, abs=0.00005)


def test_a_small_mean_drop_that_is_not_proven_fails(evaluation):
    reference = evaluation([0.8] * 20)
    candidate = evaluation([0.8] * 19 + [0.72])
    drop = paired_drop(reference, candidate, "dice")
    assert drop.mean == pytest.approx(0.004)
    assert drop.mean < 0.005 < drop.upper
    assert not judge(reference, candidate).passed


def test_pairing_removes_the_spread_between_easy_and_hard_images(evaluation):
    random = np.random.default_rng(0)
    reference = random.uniform(0.3, 0.99, 200)
    candidate = reference - random.normal(0.003, 0.002, 200)
    found = judge(evaluation(list(reference)), evaluation(list(candidate)))
    assert found.passed
    shuffled = judge(evaluation(list(reference)), evaluation(list(random.permutation(candidate))))
    assert not shuffled.passed
    assert shuffled.drops["dice"].mean == pytest.approx(found.drops["dice"].mean)


def test_only_a_loss_counts_and_a_gain_passes(evaluation):
    low, high = evaluation([0.5, 0.6, 0.7]), evaluation([0.7, 0.8, 0.9])
    assert not judge(high, low).passed
    assert judge(low, high, limits={"dice": 0.0}).passed
    assert judge(low, high).drops["dice"].mean == pytest.approx(-0.2)


def test_the_image_that_loses_most_is_named(evaluation):
    reference = evaluation([0.9, 0.9, 0.9], ids=["a", "b", "c"])
    candidate = evaluation([0.9, 0.2, 0.8], ids=["a", "b", "c"])
    drop = paired_drop(reference, candidate, "dice")
    assert (drop.worst_image, drop.worst) == ("b", pytest.approx(0.7))


@pytest.mark.parametrize(
    "ids", [["a", "b"], ["a", "b", "d"], ["a", "c", "b"], ["a", "b", "c", "d"]]
)
def test_scores_that_are_not_of_the_same_images_in_the_same_order_are_refused(evaluation, ids):
    reference = evaluation([0.9, 0.9, 0.9], ids=["a", "b", "c"])
    with pytest.raises(ValueError, match="same images in the same order"):
        paired_drop(reference, evaluation([0.9] * len(ids), ids=ids), "dice")


def test_no_images_prove_nothing(evaluation):
    with pytest.raises(ValueError, match="same images"):
        judge(evaluation([]), evaluation([]))


def test_dice_and_iou_are_always_told_but_only_what_has_a_limit_decides(evaluation):
    reference = evaluation([0.9, 0.8], iou=[0.9, 0.8], recall=[0.9, 0.8])
    candidate = evaluation([0.9, 0.8], iou=[0.5, 0.4], recall=[0.8, 0.7])
    by_dice = judge(reference, candidate)
    assert set(by_dice.drops) == {"dice", "iou"}
    assert by_dice.passed
    assert by_dice.drops["iou"].mean == pytest.approx(0.4)
    by_recall = judge(reference, candidate, limits={"dice": 0.005, "recall": 0.05})
    assert set(by_recall.drops) == {"dice", "iou", "recall"}
    assert not by_recall.passed
    assert judge(reference, candidate, limits={"recall": 0.11}).passed


def test_a_higher_confidence_asks_for_more(evaluation):
    random = np.random.default_rng(1)
    reference = evaluation([0.8] * 50)
    candidate = evaluation(list(0.8 - random.normal(0.004, 0.004, 50)))
    assert judge(reference, candidate, confidence=0.5).passed
    assert not judge(reference, candidate, confidence=0.999, limits={"dice": 0.0045}).passed


def test_the_same_scores_always_get_the_same_bound(evaluation):
    random = np.random.default_rng(2)
    reference, candidate = evaluation(list(random.random(30))), evaluation(list(random.random(30)))
    first, second = (paired_drop(reference, candidate, "dice") for _ in range(2))
    assert first == second
    other = paired_drop(reference, candidate, "dice", seed=1)
    assert other.upper != first.upper
    assert other.upper == pytest.approx(first.upper, abs=0.01)


def test_a_score_that_is_no_number_cannot_pass(evaluation):
    """No metric of ours is NaN; one that came from elsewhere must not slip through."""
    reference, candidate = evaluation([0.9, 0.9]), evaluation([0.9, 0.9], iou=[0.9, math.nan])
    assert not judge(reference, candidate, limits={"iou": 0.5}).passed
    assert not judge(candidate, reference, limits={"iou": 0.5}).passed


@pytest.mark.parametrize("limit", [-0.001, 1.0, math.nan, math.inf])
def test_a_limit_that_means_nothing_is_refused(limit):
    with pytest.raises(ConfigError, match="a limit of"):
        check_limits({"dice": limit}, 0.95)


@pytest.mark.parametrize("confidence", [0.0, 0.49, 1.0, 95.0, math.nan])
def test_a_confidence_that_means_nothing_is_refused(confidence):
    with pytest.raises(ConfigError, match="a confidence of"):
        check_limits({"dice": 0.005}, confidence)


def test_a_misspelled_metric_is_refused_with_those_there_are(evaluation):
    one = evaluation([0.9])
    with pytest.raises(ConfigError, match="no metric 'dise'") as caught:
        judge(one, one, limits={"dise": 0.1})
    assert "dice, iou, precision, recall" in caught.value.hint
