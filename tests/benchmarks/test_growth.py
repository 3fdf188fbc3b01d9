"""Growth of memory on made-up series: what is a leak, and what only looks like one."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.benchmarks.growth import FEWEST, _variance_of_s, growth

MINUTES = np.arange(60) * 60.0  # the windows of an hour
BASE = 50e6
MB = 1e6


def noise(size, *, alike=0.0, seed=0):
    """float64 [size]: each value resembles the one before by ``alike``."""
    found = np.random.default_rng(seed).normal(size=size)
    for at in range(1, size):
        found[at] = alike * found[at - 1] + np.sqrt(1 - alike**2) * found[at]
    return found


def test_a_steady_leak_is_shown_with_its_rate():
    found = growth(MINUTES, BASE + 24 * MB * MINUTES / 3600)
    assert found.is_shown
    assert (found.mb_per_hour, found.low, found.high) == pytest.approx((24, 24, 24))
    assert str(found) == "memory grows by 24 MB/hour (95% interval +24 to +24)"


def test_a_leak_under_noise_is_shown_and_its_interval_holds_the_rate():
    held = 0
    for seed in range(100):
        found = growth(MINUTES, BASE + 24 * MB * MINUTES / 3600 + 2 * MB * noise(60, seed=seed))
        assert found.is_shown
        held += found.low <= 24 <= found.high
    assert held >= 88  # 95 %, less three standard deviations


def test_a_flat_series_has_no_width():
    found = growth(MINUTES, [BASE] * 60)
    assert not found.is_shown
    assert (found.mb_per_hour, found.low, found.high) == (0, 0, 0)
    assert str(found).startswith("no growth of memory shown: +0 MB while it was watched")


@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_noise_without_growth_is_seldom_called_growth(alike):
    series = [BASE + 20 * MB * noise(60, alike=alike, seed=seed) for seed in range(200)]
    shown = sum(growth(MINUTES, values).is_shown for values in series)
    assert shown <= 24  # one tail of 2.5 %, a little more where neighbours resemble each other


@pytest.mark.parametrize("at", [8, 30, 52])
def test_one_step_is_no_growth(at):
    """An allocator takes one more arena, once."""
    found = growth(MINUTES, BASE + 30 * MB * (np.arange(60) >= at))
    assert not found.is_shown
    assert found.low == 0


def test_steps_that_go_on_are_growth():
    found = growth(MINUTES, BASE + 2 * MB * (np.arange(60) // 5))
    assert found.is_shown
    assert found.low < 24 <= found.high


def test_a_few_outliers_move_nothing():
    values = np.full(60, BASE)
    values[[5, 40, 59]] += 500 * MB
    assert not growth(MINUTES, values).is_shown


def test_memory_that_is_given_back_is_no_growth():
    found = growth(MINUTES, BASE - 24 * MB * MINUTES / 3600)
    assert not found.is_shown
    assert found.high < 0


def test_what_settles_by_a_few_pages_is_no_growth():
    found = growth(MINUTES, BASE + 4096 * np.arange(60))
    assert found.low > 0
    assert not found.is_shown


def test_the_same_leak_shown_in_an_hour_may_be_too_small_in_a_minute():
    hour, minute = MINUTES, MINUTES / 60
    assert growth(hour, BASE + 4 * MB * hour / 3600).is_shown
    assert not growth(minute, BASE + 4 * MB * minute / 3600).is_shown


@pytest.mark.parametrize(
    ("values", "variance"),
    [
        (range(10), 125),  # 10 * 9 * 25 / 18
        ([1, 1, 1, 2, 3, 4, 5, 6, 7, 8], 125 - 66 / 18),  # a tie of three: 3 * 2 * 11
        ([1] * 10, 0),
    ],
)
def test_equal_values_narrow_the_interval_as_the_textbook_says(values, variance):
    assert _variance_of_s(np.array(values, dtype=np.float64)) == pytest.approx(variance)


def test_too_few_points_say_nothing():
    assert growth(MINUTES[: FEWEST - 1], [BASE] * (FEWEST - 1)) is None
    assert growth(MINUTES[:FEWEST], [BASE] * FEWEST) is not None


def test_days_of_windows_are_grouped_before_all_pairs_are_looked_at():
    seconds = np.arange(5000) * 60.0
    found = growth(seconds, BASE + 2 * MB * seconds / 3600 + MB * noise(5000))
    assert found.low < 2 < found.high
    assert found.is_shown
