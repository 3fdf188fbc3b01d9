from __future__ import annotations

import math

import numpy as np
import pytest

from scunext_edge.experiments.statistics import (
    holm,
    least_p,
    over_images,
    over_splits,
    sign_flips,
    t_two_sided,
)


@pytest.mark.parametrize(
    ("t", "freedom"), [(12.706, 1), (4.303, 2), (3.182, 3), (2.776, 4), (2.571, 5), (2.262, 9)]
)
def test_students_t_has_5_percent_beyond_what_tables_print(t, freedom):
    assert t_two_sided(t, freedom) == pytest.approx(0.05, abs=2e-4)
    assert t_two_sided(-t, freedom) == t_two_sided(t, freedom)


def test_overlapping_training_parts_widen_the_interval():
    # s = 1, so the error is sqrt(1/3 + 1/4) and t(0.975, 2) = 4.3027
    found = over_splits([0.0, 1.0, 2.0], test_share=0.25)
    assert found.high - found.mean == pytest.approx(4.3027 * math.sqrt(7 / 12), rel=1e-4)
    assert found.p == pytest.approx(t_two_sided(1 / math.sqrt(7 / 12), 2))
    assert over_splits([0.0, 1.0, 2.0], test_share=0.0).high < found.high


def test_one_split_has_a_difference_and_nothing_more():
    found = over_splits([0.5], test_share=0.25)
    assert (found.mean, found.low, found.high, found.p) == (0.5, None, None, None)


def test_signs_are_flipped_in_every_way():
    assert sign_flips([1.0, 1.0, 1.0, 1.0, 1.0]) == 2 / 32 == least_p(5)
    # the sums of +-1 +-2 +-4 are 1, 3, 5, 7 and their negatives
    assert sign_flips([-1.0, -2.0, 4.0]) == 1.0
    assert sign_flips([1.0, -2.0, 4.0]) == 0.75


def test_many_signs_are_flipped_at_random_and_agree_with_the_normal_law():
    values = np.random.default_rng(1).normal(0.2, 1, 200)
    z = abs(values.sum()) / math.sqrt((values**2).sum())
    assert sign_flips(values) == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.005)


def test_an_image_of_several_splits_is_drawn_with_all_of_them():
    rng = np.random.default_rng(2)
    values = rng.normal(0.0, 1.0, 100)
    once = over_images(values[:, None])
    thrice = over_images(np.repeat(values[:, None], 3, axis=1))
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)
    assert once.high - once.low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.05)
    apart = np.full((300, 3), np.nan)
    for split in range(3):  # as many values, but of different images
        apart[100 * split : 100 * (split + 1), split] = rng.normal(0.0, 1.0, 100)
    width = over_images(apart)
    assert width.high - width.low < 0.75 * (once.high - once.low)


def test_holm_steps_down_and_passes_over_what_is_unknown():
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
