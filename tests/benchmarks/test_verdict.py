from __future__ import annotations

from dataclasses import replace

import pytest

from scunext_edge.benchmarks.verdict import Drift, drift_of, judge

STEADY = [1000, 1010, 990, 1005, 995] * 4


def scaled(factor):
    return [int(factor * value) for value in STEADY]


@pytest.fixture
def steady(make_record):
    return make_record(*[scaled(1 + 0.004 * at) for at in range(5)])


def test_five_processes_that_agree_are_stable_and_say_what_they_rest_on(steady):
    verdict = judge(steady)
    assert verdict.result == "stable"
    assert "5 processes; with 95% confidence p50 lies within -" in verdict.reasons[0]


def test_before_the_first_run_there_is_no_verdict(make_record):
    assert judge(make_record()) is None


def test_a_soak_is_judged_by_its_windows_and_not_here(steady):
    plan = replace(steady.plan, scenario="soak", duration_s=60.0)
    assert judge(replace(steady, plan=plan)) is None


@pytest.mark.parametrize(("count", "words"), [(1, "1 process;"), (4, "4 processes;")])
def test_few_processes_are_inconclusive(make_record, count, words):
    verdict = judge(make_record(*[STEADY] * count))
    assert verdict.result == "inconclusive"
    assert verdict.reasons[0].startswith(words)


def test_processes_that_disagree_are_unstable(make_record):
    record = make_record(*[scaled(factor) for factor in (1, 1.2, 0.9, 1.1, 1)])
    verdict = judge(record)
    assert verdict.result == "unstable"
    assert "the medians of the processes scatter by 11." in verdict.reasons[0]
    assert judge(record, max_cv=0.3).result == "stable"


def test_an_interval_that_is_too_wide_is_inconclusive(make_record):
    """Medians that scatter by less than the limit, and yet leave p50 unclear."""
    record = make_record(*[scaled(factor) for factor in (1, 1.1, 0.95, 1.0, 1.05)])
    verdict = judge(record, max_cv=0.06)
    assert verdict.result == "inconclusive"
    assert verdict.reasons[0].startswith("p50 is known to -")


def test_halves_that_differ_in_most_processes_are_unstable(make_record):
    slower = [1000] * 10 + [1080] * 10
    verdict = judge(make_record(*[slower] * 5))
    assert verdict.result == "unstable"
    assert verdict.reasons == ("within a process the second half is +8% off the first",)


def test_a_drift_of_the_machine_makes_every_row_unstable(steady):
    drift = Drift(case="first", ratio=1.12, limit=1.06)
    verdict = judge(steady, drift=drift)
    assert verdict.result == "unstable"
    assert verdict.reasons == (
        "the machine drifted: first, measured first, was 12% slower when measured again at the end",
    )
    assert judge(steady, drift=Drift(case="first", ratio=1.05, limit=1.06)).result == "stable"


@pytest.mark.parametrize(
    ("factor", "found"), [(1.0, False), (1.04, False), (1.2, True), (0.8, True)]
)
def test_the_control_is_held_against_the_runs_before(make_record, make_run, steady, factor, found):
    record = replace(steady, control=make_run(scaled(factor)))
    drift = drift_of("first", record)
    assert drift.found is found
    assert drift.ratio == pytest.approx(factor, rel=0.02)


def test_processes_that_scatter_allow_the_control_to_differ_more(make_record, make_run):
    wild = make_record(*[scaled(factor) for factor in (1, 1.2, 0.9, 1.1, 1)])
    assert not drift_of("first", replace(wild, control=make_run(scaled(1.2)))).found
    assert drift_of("first", wild) is None
