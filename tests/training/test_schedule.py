from __future__ import annotations

import pytest

from scunext_edge.training.recipe import PRESETS, preset
from scunext_edge.training.schedule import edge_weight, rate


def test_the_papers_rate_falls_by_half_a_cosine():
    paper = preset("paper")
    rates = [rate(paper, step, 1001) for step in range(1001)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[500] == pytest.approx(5.5e-5)
    assert rates[1000] == pytest.approx(1e-5)
    assert rates == sorted(rates, reverse=True)


def test_the_fast_rate_rises_to_its_peak_and_falls_to_its_end():
    fast = preset("fast")
    rates = [rate(fast, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(fast.lr / 50)
    assert rates[49] == rates[50] == max(rates) == fast.lr
    assert rates[999] == pytest.approx(fast.lr_final)
    assert rates[:50] == sorted(rates[:50])
    assert rates[50:] == sorted(rates[50:], reverse=True)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_have_rates_too(steps):
    for name in PRESETS:
        assert all(0 < rate(preset(name), step, steps) <= preset(name).lr for step in range(steps))


def test_the_edge_term_is_ramped_over_the_first_tenth():
    fast = preset("fast", edge=0.4)
    weights = [edge_weight(fast, step, 100) for step in (0, 5, 10, 99)]
    assert weights == pytest.approx([0, 0.2, 0.4, 0.4])
