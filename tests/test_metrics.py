"""Known answers, the empty cases, and what must hold for any two masks."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.metrics import score

EMPTY = np.zeros((4, 4), bool)
FULL = np.ones((4, 4), bool)


def mask(*rows):
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_a_known_answer():
    predicted = mask("##..", "##..", "....")  # 4 pixels
    truth = mask(".##.", ".##.", ".##.")  # 6 pixels, 2 in common
    found = score(predicted, truth)
    assert found.dice == 2 * 2 / (4 + 6)
    assert found.iou == 2 / 8
    assert (found.precision, found.recall) == (2 / 4, 2 / 6)
    assert (found.predicted_area, found.truth_area, found.common_area) == (4, 6, 2)


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        (EMPTY, EMPTY, (1, 1, 1, 1)),
        (FULL, FULL, (1, 1, 1, 1)),
        (EMPTY, FULL, (0, 0, 0, 0)),
        (FULL, EMPTY, (0, 0, 0, 0)),
        (mask("#."), mask(".#"), (0, 0, 0, 0)),
    ],
    ids=["both empty", "both full", "nothing found", "invented", "beside it"],
)
def test_the_corner_cases_are_numbers_and_never_nan(predicted, truth, expected):
    found = score(predicted, truth)
    assert (found.dice, found.iou, found.precision, found.recall) == expected


def test_iou_is_over_the_union_and_not_over_both_areas():
    found = score(mask("##"), mask("#."))
    assert found.iou == 1 / 2
    assert found.dice == pytest.approx(2 / 3)


def test_what_must_hold_for_any_two_masks():
    random = np.random.default_rng(0)
    for share in (0.01, 0.3, 0.9):
        one, two = (random.random((2, 17, 13)) < share)[:]
        found, turned = score(one, two), score(two, one)
        assert 0 <= found.iou <= found.dice <= 1
        assert found.iou == pytest.approx(found.dice / (2 - found.dice))
        assert (found.dice, found.iou) == (turned.dice, turned.iou)
        assert (found.precision, found.recall) == (turned.recall, turned.precision)


def test_masks_of_two_sizes_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match=r"differ in shape: \(4, 4\) and \(4, 5\)"):
        score(EMPTY, np.zeros((4, 5), bool))


def test_areas_of_a_large_mask_do_not_overflow():
    large = np.ones((5000, 5000), bool)
    assert score(large, large).common_area == 25_000_000
