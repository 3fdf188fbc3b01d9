from __future__ import annotations

import numpy as np

from scunext_edge.report.front import pareto_front


def test_no_points_have_no_front() -> None:
    assert pareto_front([]) == []


def test_one_point_is_the_front() -> None:
    assert pareto_front([(3.0, 0.8)]) == [0]


def test_a_slower_and_worse_point_is_beaten() -> None:
    assert pareto_front([(2.0, 0.7), (1.0, 0.8)]) == [1]


def test_a_slower_and_better_point_stays() -> None:
    assert pareto_front([(2.0, 0.9), (1.0, 0.8)]) == [1, 0]


def test_the_same_cost_keeps_the_higher_gain() -> None:
    assert pareto_front([(1.0, 0.8), (1.0, 0.9)]) == [1]


def test_the_same_gain_keeps_the_lower_cost() -> None:
    assert pareto_front([(2.0, 0.8), (1.0, 0.8)]) == [1]


def test_equal_points_do_not_beat_each_other() -> None:
    assert sorted(pareto_front([(1.0, 0.8), (1.0, 0.8), (2.0, 0.8)])) == [0, 1]


def test_the_front_is_what_the_definition_says() -> None:
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.integers(0, 12, size=(60, 2))]
    unbeaten = {
        at
        for at, (x, y) in enumerate(points)
        if not any(a <= x and b >= y and (a, b) != (x, y) for a, b in points)
    }
    assert set(pareto_front(points)) == unbeaten
