"""What happened between before and after, in the words of a report."""

from __future__ import annotations

import pytest

from scunext_edge.benchmarks.passport import Window, doubts

BEFORE = {
    "monotonic_s": 100.0,
    "cpu_busy_s": 50.0,
    "cpu_steal_s": 1.0,
    "cpu_pressure_us": 1_000_000,
    "core_throttles": 4,
    "package_throttles": 2,
    "cpu_limit_throttles": 7,
    "cpu_limit_throttled_us": 500_000,
    "swap_used_bytes": 1 << 20,
    "power_source": "mains",
    "battery_percent": 80,
    "gpus": [
        {
            "clock_reasons": ["idle"],
            "power_violation_ns": 5,
            "thermal_violation_ns": 5,
            "other_processes": 0,
        }
    ],
    "raspberry_pi": {"throttled": 0, "now": [], "since_start": []},
    "jetson": {"clocks": "pinned", "gpu_clock_hz": [{"min": 1.3e9, "cur": 1.3e9, "max": 1.3e9}]},
    "clock_policies": [{"cpus": "0-5", "limit_max_khz": 1_500_000}],
    "clock_khz": [1_500_000, 1_497_600],
}
QUIET = {
    **BEFORE,
    "monotonic_s": 110.0,
    "cpu_busy_s": 60.0,
    "foreign_processes": [{"name": "cron", "cpu_s": 0.3}],
}


def said(*, before=None, **after):
    environment = {"before": {**BEFORE, **(before or {})}, "after": {**QUIET, **after}}
    return doubts(environment)


def test_a_quiet_measurement_has_no_doubts():
    assert said() == []


def gpu(**changes):
    return {"gpus": [{**BEFORE["gpus"][0], **changes}]}


def pi(now=(), since=()):
    return {"raspberry_pi": {"throttled": 1, "now": list(now), "since_start": list(since)}}


def jetson(clocks="pinned", current=1.3e9):
    domain = {"min": 1.3e9, "cur": current, "max": 1.3e9}
    return {"jetson": {"clocks": clocks, "gpu_clock_hz": [domain]}}


@pytest.mark.parametrize(
    ("after", "text"),
    [
        ({"core_throttles": 5}, "a core was slowed once meanwhile because it was too hot"),
        ({"package_throttles": 9},
         "the processor was slowed 7 times meanwhile because it was too hot"),
        ({"cpu_limit_throttles": 10, "cpu_limit_throttled_us": 540_000},
         "the limit on CPU time of the container stopped it 3 times meanwhile, for 40 ms in all"),
        ({"power_source": "battery", "battery_percent": 61},
         "it ran on battery (61 % left), which may lower the clock"),
        (pi(now=["under-voltage"], since=["under-voltage"]),
         "the Raspberry Pi reports under-voltage during the measurement"),
        (pi(since=["throttled"]), "the Raspberry Pi reports throttled during the measurement"),
        (jetson(clocks="not pinned"),
         "the Jetson's clocks are not pinned: they follow the load"),
        (jetson(current=0.9e9),
         "the Jetson's GPU clock is pinned to 1300 MHz, yet it ran at 900 MHz: it was throttled"),
        ({"clock_khz": [1_500_000, 729_000]},
         "the Jetson's CPU clock is pinned to 1500 MHz, yet a CPU ran at 729 MHz: it was throttled"
         ),
        ({"jetson": {"alarms": ["ina3221 curr1_crit"]}},
         "sensors of the Jetson raised an alarm: ina3221 curr1_crit"),
        (gpu(clock_reasons=["power limit"]), "the GPU's clock was held down: power limit"),
        (gpu(thermal_violation_ns=90), "the GPU's clock was held down: heat"),
        (gpu(power_violation_ns=90), "the GPU's clock was held down: power limit"),
        (gpu(other_processes=1), "1 other process computed on the GPU"),
        (gpu(other_processes=3), "3 other processes computed on the GPU"),
        ({"cpu_steal_s": 2.0},
         "the host of this virtual machine kept 10% of the CPU time for others"),
        ({"foreign_processes": [{"name": "chrome", "cpu_s": 8.0}, {"name": "sync", "cpu_s": 1.0},
                                {"name": "cron", "cpu_s": 0.5}]},
         "others were busy meanwhile: chrome (0.8 cores), sync (0.1 cores)"),
        ({"cpu_pressure_us": 3_500_000}, "tasks had to wait for a CPU in 25% of the time"),
        ({"swap_used_bytes": 101 << 20}, "105 MB of memory were swapped out meanwhile"),
    ],
)  # fmt: skip
def test_what_happened_is_said(after, text):
    assert said(**after) == [text]


@pytest.mark.parametrize(
    "after",
    [
        {"cpu_steal_s": 1.4},  # 4 % of the time in which CPUs were wanted
        {"cpu_pressure_us": 1_900_000},
        {"swap_used_bytes": 2 << 20},
        gpu(clock_reasons=["idle", "application clocks"]),
        jetson(current=1.29e9),
        jetson(clocks=None),
        {"foreign_processes": []},
        {"core_throttles": 0},  # the counter began again
    ],
)
def test_what_is_usual_is_not(after):
    assert said(**after) == []


def test_flags_from_before_are_said_as_such():
    old = pi(since=["under-voltage"])
    assert said(before=old, **old) == [
        "the Raspberry Pi reports under-voltage at some time since its start"
    ]


def test_without_pinned_clocks_a_low_one_is_no_throttling():
    assert said(**jetson(clocks=None, current=3e8)) == []
    no_jetson = {"jetson": None, "clock_khz": [400_000, 1_500_000]}
    assert said(before=no_jetson, **no_jetson) == []


def test_a_short_window_tells_nothing_of_shares():
    end = {"monotonic_s": 100.1, "cpu_busy_s": 50.1, "cpu_steal_s": 1.1}
    assert said(**end, foreign_processes=[{"name": "x", "cpu_s": 0.1}]) == []


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"machine": {}, "before": None, "after": None},
        {"before": dict.fromkeys(BEFORE), "after": dict.fromkeys(QUIET)},
        {"before": BEFORE, "after": dict.fromkeys(QUIET)},
        {"before": dict.fromkeys(BEFORE), "after": {}},
    ],
)
def test_what_was_not_read_gives_no_doubt(environment):
    assert doubts(environment) == []


def test_this_machine_can_be_doubted():
    assert all(isinstance(text, str) for text in doubts(Window().close()))
