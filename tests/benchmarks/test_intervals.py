from __future__ import annotations

import math

import numpy as np
import pytest

from scunext_edge.benchmarks.intervals import (
    estimate,
    ratio,
    t_quantile,
    upper_bound,
    values_needed,
)

TRUTH = 1e6


def processes(rng, *, count=5, values=60, between=0.01, within=0.03):
    """Values in ns: each process has luck of its own, and neighbours in it resemble each other."""
    found = []
    for _ in range(count):
        noise = rng.normal(size=values)
        for at in range(1, values):
            noise[at] = 0.5 * noise[at - 1] + math.sqrt(0.75) * noise[at]
        found.append(TRUTH * np.exp(rng.normal(0, between) + within * noise))
    return found


def test_the_estimate_is_the_percentile_of_all_values_together():
    found = estimate([[1, 2, 3], [4, 5, 6, 7]], (50, 90))
    assert found[50].value == pytest.approx(4)
    assert found[50].freedom == 1
    assert found[90].value > found[50].value


def test_an_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(200):
        low, high = estimate(processes(rng), (50,))[50].interval(0.95)
        held += low <= TRUTH <= high
    assert 0.90 <= held / 200 <= 0.99


def test_values_of_one_process_do_not_pass_for_evidence_about_others():
    assert estimate([[1, 2, 3]], (50,))[50].interval() is None


def test_more_processes_make_it_narrower_and_more_values_of_the_same_do_not():
    rng = np.random.default_rng(3)

    def width(**shape):
        ends = [estimate(processes(rng, **shape), (50,))[50].interval() for _ in range(30)]
        return np.mean([math.log(high / low) for low, high in ends])

    few, many, long = width(count=4), width(count=16), width(count=4, values=600)
    assert many < 0.5 * few
    assert long > 0.7 * few


def test_a_ratio_of_two_runs_of_the_same_thing_holds_one_as_often_as_it_says():
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        both = [estimate(processes(rng), (50,))[50] for _ in range(2)]
        low, high = ratio(*both).interval(0.95)
        held += low <= 1 <= high
    assert 0.91 <= held / 200 <= 0.995


def test_a_ratio_needs_two_processes_on_both_sides():
    one, two = (estimate(values, (50,))[50] for values in ([[5, 5]], [[5, 5], [6, 6]]))
    assert ratio(one, two) is None
    assert ratio(two, two).value == 1


def test_identical_values_have_no_width():
    same = estimate([[5, 5], [5, 5]], (50,))[50]
    assert same.interval() == (pytest.approx(5), pytest.approx(5))
    assert ratio(same, same).interval() == pytest.approx((1, 1))


@pytest.mark.parametrize(
    ("freedom", "expected"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622)]
)
def test_student_s_t_is_that_of_the_tables(freedom, expected):
    assert t_quantile(0.975, freedom) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(("percentile", "needed"), [(90, 64), (99, 662)])
def test_mlperf_s_fewest_queries(percentile, needed):
    """The numbers that MLPerf Inference states for its early stopping."""
    assert values_needed(percentile) == needed
    assert upper_bound(range(needed - 1), percentile) is None
    assert upper_bound(range(needed), percentile) == needed - 1  # the largest


def test_the_bound_holds_as_often_as_it_says():
    rng = np.random.default_rng(5)
    held = sum(upper_bound(rng.random(700), 99) >= 0.99 for _ in range(300))
    assert held >= 291  # 99 %, less three standard deviations
    assert upper_bound(rng.random(20_000), 99) < 0.995  # and it comes near
