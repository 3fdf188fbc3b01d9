"""A mean hides who was hurt: worst images, floors, missed lesions, areas and outlines do not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.evaluation.acceptance import Criteria, accept
from scunext_edge.evaluation.boundary import Boundary


def judged(reference, candidate, **criteria):
    return accept(reference, candidate, Criteria(**criteria)).loss.judgement


def test_a_model_is_accepted_against_itself_at_no_margin_at_all(evaluation):
    one = evaluation([0.9, 0.5, 0.0, 0.7])
    assert judged(one, one, margin=0.0) == "passed"
    assert judged(one, one, tier="99.9") == "passed"


def test_what_is_lost_everywhere_by_more_than_the_margin_has_failed(evaluation):
    reference, candidate = evaluation([0.9, 0.8, 0.7]), evaluation([0.8, 0.7, 0.6])
    assert judged(reference, candidate, margin=0.05) == "failed"
    assert judged(reference, candidate, margin=0.11) == "passed"


def test_too_few_images_are_inconclusive_and_it_says_how_many_it_would_take(evaluation):
    drops = 0.002 + np.resize([0.03, -0.03], 60)
    reference, candidate = evaluation([0.8] * 60), evaluation(list(0.8 - drops))
    loss = accept(reference, candidate, Criteria(margin=0.005)).loss
    assert loss.judgement == "inconclusive"
    expected = (1.645 * drops.std(ddof=1) / (0.005 - drops.mean())) ** 2
    assert loss.images_needed == pytest.approx(expected, rel=0.01)
    # So many images of the same kind do tell.
    more = np.resize(drops, 2 * loss.images_needed)
    enough = evaluation([0.8] * len(more)), evaluation(list(0.8 - more))
    assert judged(*enough, margin=0.005) == "passed"


@pytest.mark.parametrize(("tier", "kept"), [("99", 0.99), ("99.9", 0.999)])
def test_a_tier_is_a_share_of_the_reference(evaluation, tier, kept):
    reference = evaluation([0.9, 0.6, 0.8])
    just, below = ([share * d for d in (0.9, 0.6, 0.8)] for share in (kept + 1e-6, kept - 1e-4))
    assert judged(reference, evaluation(just), tier=tier) == "passed"
    assert judged(reference, evaluation(below), tier=tier) == "failed"


def test_images_that_fall_through_the_floor_are_named_and_those_that_rise_are_counted(evaluation):
    reference = evaluation([0.9, 0.81, 0.79, 0.5], ids=["a", "b", "c", "d"])
    candidate = evaluation([0.9, 0.79, 0.82, 0.5], ids=["a", "b", "c", "d"])
    found = accept(reference, candidate, Criteria())
    assert (found.fallen, found.risen) == (("b",), 1)
    assert (found.below_floor.reference, found.below_floor.candidate) == (2, 2)


def test_a_lesion_that_is_missed_altogether_is_named_whatever_the_mean_says(evaluation):
    dice = [0.9] * 300
    reference = evaluation(dice)
    candidate = evaluation([0.0, *([0.905] * 299)], common_area=[0, *([90] * 299)])
    assert judged(reference, candidate, margin=0.05) == "passed"
    assert accept(reference, candidate, Criteria()).newly_missed == ("lesion_000",)
    assert accept(candidate, reference, Criteria()).newly_missed == ()


def test_an_image_without_a_lesion_cannot_be_missed(evaluation):
    none = {"truth_area": [0, 100, 100], "common_area": [0, 90, 90], "predicted_area": [0, 90, 90]}
    one = evaluation([1.0, 0.9, 0.9], **none)
    found = accept(one, one, Criteria())
    assert (found.missed.reference, found.newly_missed) == (0, ())
    assert found.area_bias.candidate == pytest.approx(-0.1)


def test_the_worst_tenth_is_that_of_each_and_the_drop_that_of_the_pair(evaluation):
    reference = evaluation([0.1, 0.2, *([0.9] * 18)])
    candidate = evaluation([0.1, 0.2, *([0.9] * 16), 0.5, 0.0])
    found = accept(reference, candidate, Criteria())
    assert found.worst_decile.reference == pytest.approx(0.15)
    assert found.worst_decile.candidate == pytest.approx(0.05)
    assert found.worst_drops == pytest.approx((0.4 + 0.9) / 2)
    assert (found.worst_image, found.worst_drop) == ("lesion_019", pytest.approx(0.9))


def test_areas_are_compared_with_the_truth_and_with_each_other(evaluation):
    reference = evaluation([0.9] * 4, predicted_area=[100, 110, 90, 100])
    candidate = evaluation([0.9] * 4, predicted_area=[80, 90, 70, 80])
    found = accept(reference, candidate, Criteria())
    assert found.area_bias.reference == pytest.approx(0)
    assert found.area_bias.candidate == pytest.approx(-0.2)
    assert found.area_change.high == pytest.approx(-0.2)


def test_outlines_are_compared_where_both_have_one(evaluation):
    one = evaluation([0.9, 0.9, 0.0], ids=["a", "b", "c"])
    reference = {"a": Boundary(hd95=1.0, nsd=1.0), "b": Boundary(hd95=3.0, nsd=0.5)}
    candidate = {"a": Boundary(hd95=2.0, nsd=0.9), "b": Boundary(hd95=5.0, nsd=0.4)}
    reference["c"], candidate["c"] = Boundary(hd95=9.0, nsd=0.1), Boundary(hd95=None, nsd=0.0)
    found = accept(one, one, Criteria(), outlines=(reference, candidate)).outline
    assert (found.hd95.reference, found.hd95.candidate) == (2.0, 3.5)
    assert found.hd95_rise.mean == 1.5
    assert (found.without_hd95.reference, found.without_hd95.candidate) == (0, 1)
    assert found.nsd_drop.mean == pytest.approx(0.1)


def test_lesions_are_grouped_by_their_share_of_the_frame(evaluation):
    areas = [4, 10, 30, 90]
    reference = evaluation([0.9, 0.8, 0.7, 0.6], truth_area=areas, ids=list("abcd"))
    candidate = evaluation([0.5, 0.8, 0.7, 0.6], truth_area=areas, ids=list("abcd"))
    found = accept(reference, candidate, Criteria(), pixels=dict.fromkeys("abcd", 100))
    assert [(it.size, it.images) for it in found.groups] == [
        ("small", 1),
        ("medium", 1),
        ("large", 2),
    ]
    small = found.groups[0]
    assert (small.drop.mean, small.fallen) == (pytest.approx(0.4), 1)


def test_other_images_are_refused(evaluation):
    with pytest.raises(ValueError, match="same images"):
        accept(evaluation([0.5], ids=["a"]), evaluation([0.5], ids=["b"]), Criteria())


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"tier": "98"}, "98"),
        ({"margin": -0.1}, "-0.1"),
        ({"floor": 0.0}, "floor"),
        ({"most_missed": -1}, "-1"),
        ({"confidence": math.inf}, "inf"),
    ],
)
def test_criteria_that_mean_nothing_are_refused(wrong, word):
    with pytest.raises(ConfigError, match=word):
        Criteria(**wrong)
