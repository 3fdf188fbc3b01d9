from __future__ import annotations

import pytest

from scunext_edge.benchmarks.energy import Energy, Unreadable
from scunext_edge.benchmarks.findings import findings
from scunext_edge.benchmarks.measure import Plan, Soak, Window
from scunext_edge.benchmarks.records import ColdStart

MS = 1_000_000
MB = 1_000_000


def windows(count=60, *, p95=lambda at: 10, memory=lambda at: (50 * MB,)):
    return tuple(
        Window(
            start_s=60.0 * at,
            calls=5000,
            p50_ns=9 * MS,
            p95_ns=p95(at) * MS,
            max_ns=90 * MS,
            resident_bytes=memory(at),
        )
        for at in range(count)
    )


@pytest.fixture
def soaked(make_record, make_run):
    def make(**shape):
        soak = Soak(window_s=60.0, windows=windows(**shape), every=32)
        plan = Plan(region="compute", scenario="soak", warmup=1, values=1, duration_s=3600.0)
        return make_record(plan=plan, runs=(make_run([9 * MS], soak=soak),))

    return make


def test_a_single_stream_has_no_findings(make_record):
    assert list(findings(make_record([MS]))) == []


ENERGY = Energy(
    source="RAPL",
    rails_uj={"package-0": 90_000.0, "dram": 7.0},
    idle_rails_uj={"package-0": 40_000.0, "dram": 5.0},
    total_of=("package-0",),
    seconds=2.0,
    idle_seconds=2.0,
    calls=10,
    images=10,
    samples=None,
)


def test_energy_is_said_with_the_rails_that_it_is_of(make_record):
    assert list(findings(make_record([MS], energy=ENERGY))) == [
        "9 mJ per image, 5 of them over idling (RAPL: package-0)"
    ]


def test_a_patient_s_energy_holds_the_idling_until_the_next(make_record):
    plan = Plan(region="compute", scenario="clinic", warmup=1, values=1, interval_s=90.0)
    said = list(findings(make_record([MS], plan=plan, energy=ENERGY)))
    assert said[-1] == "1.8e+03 mJ per patient, one every 90 s"


def test_why_there_is_no_energy_is_said(make_record):
    record = make_record([MS], energy=Unreadable(reason="there is no meter", hint="buy one"))
    assert list(findings(record)) == ["energy is not known: there is no meter"]


def test_throughput_is_said(make_record):
    plan = Plan(region="compute", scenario="offline", warmup=1, values=2)
    assert list(findings(make_record([5 * MS, 5 * MS], plan=plan))) == ["200 images/s, 1 in a call"]


def test_how_patients_came_is_said(make_record, make_run):
    plan = Plan(region="compute", scenario="clinic", warmup=1, values=1, interval_s=90.0)
    record = make_record(plan=plan, runs=(make_run([MS], evicted_bytes=64 * MB),))
    assert list(findings(record)) == [
        "an arrival every 90 s, from idle, caches emptied with 64 MB before"
    ]


def test_the_first_and_the_last_mask_of_a_burst_are_said(make_record, make_run):
    plan = Plan(region="compute", scenario="burst", warmup=1, values=3, interval_s=2.0, burst=2)
    ends = ((6 * MS, 10 * MS), (7 * MS, 12 * MS), (5 * MS, 11 * MS))
    run = make_run([10 * MS, 12 * MS, 11 * MS], masks_ns=ends, evicted_bytes=64 * MB)
    said = list(findings(make_record(plan=plan, runs=(run,))))
    assert said[1] == "of 2 images at once, the first took 6 ms and all took 11 ms"


def test_the_pace_that_is_kept_is_that_of_the_second_half(soaked):
    said = list(findings(soaked(p95=lambda at: 10 if at < 20 else 14 + (at == 50))))
    assert said[0] == (
        "p95 of 60 s: 14 ms in the second half (at most 15), 10 ms at first; 60 min in all"
    )


def test_memory_that_grows_is_said_with_its_rate(soaked):
    said = list(findings(soaked(memory=lambda at: (50 * MB + at * MB, 50 * MB + at * MB))))
    assert said[1].startswith("memory grows by 60 MB/hour")


def test_pools_that_fill_in_the_first_tenth_are_no_growth(soaked):
    said = list(findings(soaked(memory=lambda at: ((40 + 10 * min(at, 6)) * MB,))))
    assert said[1].startswith("no growth of memory shown: +0 MB")


@pytest.mark.parametrize(("count", "known"), [(10, 9), (3, 3)])
def test_a_soak_too_short_to_tell_says_so(soaked, count, known):
    said = list(findings(soaked(count=count)))
    assert said[1] == f"too short to tell whether memory grows: {known} of 10 windows"


def test_memory_that_the_system_does_not_tell_is_not_guessed(soaked):
    said = list(findings(soaked(memory=lambda at: ())))
    assert "0 of 10 windows" in said[1]


def test_what_is_left_of_a_soak_that_ended_early_is_said(make_record):
    left = Soak(window_s=60.0, windows=windows(47, memory=lambda at: (at * MB,)), every=0)
    plan = Plan(region="compute", scenario="soak", warmup=1, values=1, duration_s=3600.0)
    said = list(findings(make_record(plan=plan, unfinished=left)))
    assert said[0] == "ended before its time, after 47 min"
    assert said[2].startswith("memory grows by 60 MB/hour")


def test_a_cold_start_is_said_in_its_parts(make_record):
    start = ColdStart(
        interpreter_ms=16.0, import_ms=140.0, load_ms=20.0, first_run_ms=57.0, total_ms=233.0,
        page_cache="dropped",
    )  # fmt: skip
    assert list(findings(make_record([MS], cold=(start,)))) == [
        "233 ms from the start of a process to its first mask (interpreter 16, import 140, "
        "load 20, first run 57; files in the system's cache: dropped)"
    ]
