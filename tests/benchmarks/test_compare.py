from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scunext_edge.benchmarks.compare import changes, compare, not_comparable, threshold
from scunext_edge.errors import ConfigError


@pytest.fixture
def run(make_record):
    """A record whose processes lie ``spread`` apart, around ``level`` ns."""

    def make(level, *, spread=0.002, processes=6, seed=0):
        rng = np.random.default_rng(seed)
        levels = level * np.exp(rng.normal(0, spread, processes))
        return make_record(*[(it * rng.lognormal(0, 0.01, 50)).astype(int) for it in levels])

    return make


@pytest.mark.parametrize(
    ("factor", "answer"),
    [(1.0, "no difference"), (1.1, "slower"), (1 / 1.1, "faster"), (1.02, "no difference")],
)
def test_what_the_medians_say(run, factor, answer):
    found = compare(run(1e6), run(1e6 * factor, seed=1))
    assert found.answer == answer
    assert found.ratio == pytest.approx(factor, rel=0.01)
    assert found.low < found.ratio < found.high


def test_a_small_change_counts_where_it_is_asked_for(run):
    a, b = run(1e6), run(1.02e6, seed=1)
    assert compare(a, b).answer == "no difference"
    assert compare(a, b, min_effect=0.01).answer == "slower"


def test_processes_that_disagree_leave_it_open(run):
    found = compare(run(1e6, spread=0.1), run(1.06e6, spread=0.1, seed=1))
    assert found.answer == "inconclusive"
    assert "the interval still holds 1" in found.reasons[0]


def test_no_difference_is_shown_and_not_assumed(run):
    """A ratio near 1 whose interval is wide says nothing."""
    found = compare(run(1e6, spread=0.1), run(1e6, spread=0.1, seed=4))
    assert found.answer == "inconclusive"
    assert found.low < 1 / 1.03 < 1.03 < found.high


def test_one_process_is_inconclusive_and_none_is_refused(run, make_record):
    assert compare(run(1e6), run(2e6, processes=1)).answer == "inconclusive"
    assert compare(run(1e6), make_record()).answer == "refused"


@pytest.mark.parametrize("effect", [0, 1, -0.1])
def test_an_effect_that_is_no_share_is_refused(run, effect):
    with pytest.raises(ConfigError, match="is no share"):
        compare(run(1e6), run(1e6), min_effect=effect)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threads": 2}, "threads: 1 and 2"),
        ({"batch": 8, "input_shape": (8, 32, 32, 3)}, "batch: 1 and 8"),
        ({"precision_ran": "int8"}, "precision ran: fp32 and int8"),
        ({"cpus": (0, 1)}, "cpus: none and 0 x 1"),
    ],
)
def test_rows_that_answer_different_questions(run, change, words):
    a = run(1e6)
    b = replace(a, subject=replace(a.subject, **change))
    assert words in not_comparable(a, b)
    assert not_comparable(a, a) == []


def test_another_region_answers_another_question(run):
    a = run(1e6)
    b = replace(a, plan=replace(a.plan, region="transfer"))
    assert not_comparable(a, b) == ["region: compute and transfer"]


def test_another_artifact_and_another_engine_are_named(run):
    a = run(1e6).subject
    b = replace(a, artifact_id="f" * 16, backend_version="2.0")
    assert changes(a, b) == [
        "another artifact: 0123456789abcdef and ffffffffffffffff",
        "fake 0.1.0 and 2.0",
    ]
    assert changes(a, a) == []


@pytest.mark.parametrize(
    ("text", "share", "seconds"),
    [
        ("median:10%", 0.1, None),
        ("min:.5%", 0.005, None),
        ("p99:0.5ms", None, 0.0005),
        ("mean:0.001", None, 0.001),
        ("max:2s", None, 2.0),
    ],
)
def test_thresholds_are_read_as_pytest_benchmark_writes_them(text, share, seconds):
    found = threshold(text)
    assert (found.share, found.seconds) == (pytest.approx(share), pytest.approx(seconds))
    assert threshold(str(found)) == found


@pytest.mark.parametrize("text", ["", "median", "median:", "median:x%", "stddev:5%", "median:-5%"])
def test_what_is_no_threshold_is_refused(text):
    with pytest.raises(ConfigError, match="is no threshold"):
        threshold(text)


@pytest.mark.parametrize(
    ("text", "over"), [("median:20%", False), ("median:5%", True), ("mean:50us", True),
                       ("p90:0.2ms", False), ("max:90%", False)],
)  # fmt: skip
def test_a_threshold_is_exceeded_by_growth_alone(run, text, over):
    a, b = run(1e6), run(1.1e6, seed=1)
    words = threshold(text).exceeded(a, b)
    assert (words is not None) is over
    assert threshold(text).exceeded(b, a) is None
    if over:
        assert f"over the threshold {threshold(text)}" in words
