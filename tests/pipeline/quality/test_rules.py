"""Limits and rates by hand, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.pipeline.quality import rates
from scunext_edge.pipeline.quality.collect import MIRRORED, Row
from scunext_edge.pipeline.quality.rules import Settings, limit_of, set_limits
from scunext_edge.quality.flags import FLAGS

BELOW = next(rule for rule in FLAGS if rule.name == "blurred")
ABOVE = next(rule for rule in FLAGS if rule.name == "glare")
FINE = {"sharpness": 1.0, "light": 150.0, "white": 0.0, "glare": 0.0, "found": 8.0,
        "confidence": 0.95, "distance": 2.0}  # fmt: skip


def row(id, *, flag=None, case="as it is", level=0.0, dice=0.9, **values):
    return Row(id=id, flag=flag, case=case, level=level, dice=dice, values={**FINE, **values})


@pytest.mark.parametrize(("rule", "sign"), [(BELOW, 1), (ABOVE, -1)])
def test_a_limit_catches_what_it_should_and_no_more(rule, sign):
    clean, positives = sign * np.arange(100.0, 200.0), sign * np.arange(0.0, 20.0)
    limit = limit_of(rule, clean, positives, alarms=0.02, caught=0.95)
    assert np.mean([rule.raised(it, limit) for it in positives]) >= 0.95
    assert not any(rule.raised(it, limit) for it in clean)
    assert abs(limit) < 25  # and lies by the positives, far from what is clean


@pytest.mark.parametrize(("rule", "sign"), [(BELOW, 1), (ABOVE, -1)])
def test_false_alarms_are_capped_even_where_that_misses_faults(rule, sign):
    clean, positives = sign * np.arange(100.0), sign * np.arange(50.0, 150.0)
    limit = limit_of(rule, clean, positives, alarms=0.02, caught=0.95)
    assert np.mean([rule.raised(it, limit) for it in clean]) <= 0.02
    assert np.mean([rule.raised(it, limit) for it in clean]) >= 0.01


def test_without_a_fault_to_catch_the_cap_is_the_limit():
    limit = limit_of(ABOVE, np.arange(1000.0), np.array([]), alarms=0.005, caught=0.95)
    assert np.mean(np.arange(1000.0) > limit) == pytest.approx(0.005, abs=0.001)


def test_the_mildest_fault_that_harms_sets_the_limit_and_not_a_harmless_one():
    ids = [f"i{n}" for n in range(50)]
    val = [row(id) for id in ids]
    for level, loss, sharp in ((1.0, 0.01, 0.8), (2.0, 0.05, 0.5), (4.0, 0.4, 0.1)):
        val += [
            row(id, flag="blurred", case="blur", level=level, dice=0.9 - loss, sharpness=sharp)
            for id in ids
        ]
    val += [row(id, flag="no_lesion", case=MIRRORED, dice=None, found=1.0) for id in ids]
    limits, told = set_limits([], val, Settings())
    assert told["blurred"]["mildest_harmful"] == 2.0
    assert 0.5 < limits["blurred"] < 0.5001
    assert 1.0 < limits["no_lesion"] < 1.0001
    assert told["too_dark"]["mildest_harmful"] is None


def test_pictures_that_the_network_was_trained_on_do_not_say_how_sure_it_should_be():
    val = [row(f"v{n}", confidence=0.8 + n / 1000) for n in range(100)]
    val += [row(it.id, flag="no_lesion", case=MIRRORED, dice=None, found=1.0) for it in val]
    train = [row(f"t{n}", confidence=0.99, sharpness=0.5) for n in range(900)]
    limits, told = set_limits(train, val, Settings())
    assert limits["unsure"] == pytest.approx(0.804)
    assert told["unsure"]["of_pictures"] == 100
    assert told["blurred"]["of_pictures"] == 1000


def test_wilson_is_that_of_the_tables():
    found = rates.wilson(5, 50)
    assert (found["low"], found["high"]) == pytest.approx((0.0435, 0.2136), abs=1e-4)
    assert rates.wilson(0, 20)["low"] == 0.0
    assert rates.wilson(20, 20)["high"] == 1.0
    assert rates.wilson(0, 0)["share"] is None


def test_what_is_left_out_and_what_that_is_good_for():
    dice = np.array([0.2, 0.6, 0.9, 0.95])
    found = rates.selection(dice, np.array([False, True, True, False]))
    assert found["dice_kept"] == pytest.approx(0.75)
    below_half = found["bad"][0]
    assert (below_half["caught"]["hits"], below_half["caught"]["of"]) == (1, 1)
    assert (below_half["good_lost"]["hits"], below_half["good_lost"]["of"]) == (1, 3)
    assert found["bad"][1]["of_kept"]["share"] == 0.5


def test_the_curve_ends_at_the_mean_and_knows_the_best_that_is_possible():
    dice, confidence = np.array([0.1, 0.9, 0.5, 0.7]), np.array([0.4, 0.9, 0.8, 0.3])
    whole, half = rates.curve(dice, confidence, (1.0, 0.5))
    assert whole["dice"] == whole["dice_at_best"] == pytest.approx(0.55)
    assert (half["dice"], half["dice_at_best"]) == pytest.approx((0.7, 0.8))


def test_auc_counts_ties_half():
    assert rates.auc(np.array([1.0, 2, 2, 3]), np.array([False, True, False, True])) == 0.875


def test_a_regression_finds_a_signal_that_the_confidence_does_not_have():
    rng = np.random.default_rng(0)
    rows = [
        row(f"{n}", dice=0.3 if bad else 0.9, confidence=rng.normal(), white=bad + rng.normal() / 2)
        for n, bad in enumerate(rng.random(400) < 0.2)
    ]
    found = rates.predictors(rows[:200], rows[200:], 0.7)
    assert found["auc_logistic"] > 0.85 > found["auc_confidence"]
    assert rates.predictors(rows, [row("a")], 0.7) is None
