from __future__ import annotations

from dataclasses import replace

import pytest

from scunext_edge.benchmarks.measure import Plan
from scunext_edge.benchmarks.records import ColdStart, Memory
from scunext_edge.benchmarks.stats import (
    cold_start_ms,
    doubts,
    images_per_s,
    latency,
    memory_mb,
    summarize,
)

MS = 1_000_000
STEADY = [10 * MS] * 200


def said(record, words):
    return [doubt for doubt in doubts(record) if words in doubt]


def test_a_summary_is_what_the_textbook_says():
    summary = summarize([1, 2, 3, 4, 100])
    assert (summary.median, summary.mad, summary.count) == (3, 1, 5)
    assert (summary.minimum, summary.maximum, summary.mean) == (1, 100, 22)
    assert summary.p90 == pytest.approx(4 + 0.6 * 96)
    assert summary.p99 == pytest.approx(4 + 0.96 * 96)


def test_nothing_cannot_be_summarized():
    with pytest.raises(ValueError, match="nothing"):
        summarize([])


def test_latency_is_in_milliseconds_over_all_processes(make_record):
    found = latency(make_record([1 * MS, 2 * MS], [3 * MS, 4 * MS], [5 * MS]))
    assert (found.region, found.median, found.mad) == ("compute", 3.0, 1.0)
    assert (found.n, found.processes) == (5, 3)


def test_a_record_without_runs_has_neither_latency_nor_doubts(make_record):
    assert latency(make_record()) is None
    assert doubts(make_record()) == []


def test_memory_is_what_was_added_to_the_imports(make_record):
    memory = Memory(peak_bytes=150_000_000, baseline_bytes=100_000_000, method="VmHWM")
    assert memory_mb(make_record(STEADY, memory=memory)) == 50.0
    assert memory_mb(make_record(STEADY)) is None


def test_a_cold_start_is_the_median_of_the_totals(make_record):
    def start(total_ms):
        parts = dict.fromkeys(("interpreter_ms", "import_ms", "load_ms", "first_run_ms"), 1.0)
        return ColdStart(**parts, total_ms=total_ms, page_cache="warm")

    record = make_record(STEADY, cold=(start(300.0), start(900.0), start(200.0)))
    assert cold_start_ms(record) == 300.0
    assert cold_start_ms(make_record(STEADY)) is None


def test_throughput_is_all_images_by_all_the_time(make_record):
    record = make_record([10 * MS, 30 * MS], [20 * MS, 40 * MS])
    offline = replace(
        record,
        plan=replace(record.plan, scenario="offline"),
        subject=replace(record.subject, batch=8),
    )
    assert images_per_s(offline) == pytest.approx(4 * 8 / 0.1)
    assert images_per_s(record) is None
    assert images_per_s(replace(offline, runs=())) is None


def test_few_values_are_no_doubt_where_minutes_lie_between_them(make_record):
    plan = Plan(region="end_to_end", scenario="clinic", warmup=1, values=5, interval_s=90.0)
    record = make_record(*[[10 * MS] * 5] * 5, plan=plan)
    assert doubts(record) == ["p99 rests on the slowest 1 value of 25"]


def test_a_number_that_may_be_published_leaves_no_doubt(make_record):
    assert doubts(make_record(*[STEADY] * 5)) == []


def test_a_single_value_is_doubted(make_record):
    assert doubts(make_record([MS])) == ["a single value says nothing about spread"]


def test_too_few_processes_and_values_are_counted(make_record):
    found = doubts(make_record(*[[MS] * 100] * 3))
    assert found == [
        "3 processes; a publishable number has 5",
        "100 values per process; a publishable number has 200",
        "p99 rests on the slowest 3 values of 300",
    ]


def test_what_the_time_budget_cost_is_said(make_record, make_run):
    record = make_record(*[STEADY] * 5)
    record = replace(record, runs=(*record.runs[:4], make_run([10 * MS] * 7)))
    assert said(record, "budget") == ["the time budget allowed 7 of 200 values per process"]


def test_scatter_is_doubted(make_record):
    record = make_record(*[[9 * MS, 10 * MS, 11 * MS] * 70] * 5)
    assert said(record, "scatter") == ["values scatter by 10% of their median"]


def test_disagreeing_processes_are_doubted(make_record):
    record = make_record(*[STEADY] * 4, [12 * MS] * 200)
    assert said(record, "apart") == ["the medians of the processes lie 20% apart"]


def test_values_that_begin_cold_are_doubted(make_record):
    record = make_record(*[[13 * MS] * 20 + [10 * MS] * 180] * 5)
    assert said(record, "warm-up was not finished") == [
        "the first values are 30% slower: warm-up was not finished"
    ]


def test_one_hiccup_in_one_process_is_no_cold_start(make_record):
    record = make_record(*[STEADY] * 4, [30 * MS] * 20 + [10 * MS] * 180)
    assert not said(record, "warm-up")


def test_throttling_is_doubted(make_record):
    record = make_record(*[[10 * MS] * 100 + [12 * MS] * 100] * 5)
    assert said(record, "throttling") == [
        "the second half is +20% off the first: warm-up or throttling"
    ]


def test_values_as_short_as_the_harness_are_doubted(make_record):
    record = make_record(*[[1000] * 200] * 5)
    assert said(record, "taking the time") == ["so short that taking the time is 10% of a value"]


def busy(seconds, *, own, passed=2.0):
    zero = {"monotonic_s": 100.0, "cpu_busy_s": 50.0, "own_cpu_s": 1.0}
    after = {
        "monotonic_s": 100.0 + passed,
        "cpu_busy_s": 50.0 + seconds,
        "own_cpu_s": 1.0 + own,
    }
    return {"machine": {}, "before": zero, "after": after}


def test_load_from_elsewhere_is_doubted(make_record, make_run):
    runs = tuple(make_run(STEADY, environment=busy(3.6, own=2.0)) for _ in range(5))
    record = make_record(STEADY, runs=runs)
    assert said(record, "other processes") == [
        "other processes kept up to 0.8 cores busy meanwhile"
    ]


def test_our_own_load_is_not_held_against_us(make_record, make_run):
    runs = tuple(make_run(STEADY, environment=busy(2.1, own=2.0)) for _ in range(5))
    assert doubts(make_record(STEADY, runs=runs)) == []


def test_a_window_too_short_for_the_kernels_counters_says_nothing(make_record, make_run):
    environment = busy(0.2, own=0.0, passed=0.1)
    runs = tuple(make_run(STEADY, environment=environment) for _ in range(5))
    assert doubts(make_record(STEADY, runs=runs)) == []


def test_a_governor_that_saves_power_is_doubted(make_record, make_run):
    environment = {"machine": {"governor": "powersave"}}
    runs = tuple(make_run(STEADY, environment=environment) for _ in range(5))
    assert said(make_record(STEADY, runs=runs), "governor")
