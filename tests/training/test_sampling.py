from __future__ import annotations

import numpy as np
import torch

from scunext_edge.training.sampling import drawn


def masks(*sides):
    found = torch.zeros(len(sides), 16, 16, dtype=torch.uint8)
    for mask, side in zip(found, sides, strict=True):
        mask[:side, :side] = 1
    return found


def test_without_balance_each_picture_comes_once():
    order = drawn(masks(*[4] * 30), 0.0, np.random.default_rng(2))
    assert sorted(order) == list(range(30))
    assert order.tolist() == np.random.default_rng(2).permutation(30).tolist()


def test_with_balance_a_rare_size_comes_as_often_as_a_common_one():
    sizes = masks(*[4] * 900, *[15] * 100)
    order = drawn(sizes, 1.0, np.random.default_rng(0))
    assert len(order) == 1000
    assert 430 < np.count_nonzero(order >= 900) < 570
    half = drawn(sizes, 0.5, np.random.default_rng(0))
    assert 230 < np.count_nonzero(half >= 900) < 370


def test_the_draw_can_be_repeated():
    sizes = masks(0, 3, 9, 16, 16)
    one, other = (drawn(sizes, 0.7, np.random.default_rng(9)) for _ in range(2))
    assert one.tolist() == other.tolist()
