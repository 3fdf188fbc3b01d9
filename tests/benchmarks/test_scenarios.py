"""Scenarios in a world whose clock moves only by what is done in it."""

from __future__ import annotations

import gc
import io
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from scunext_edge.benchmarks.measure import Plan
from scunext_edge.benchmarks.scenarios import (
    Means,
    Thinned,
    calls_per_burst,
    harness_ns,
    take,
    window_s,
)
from scunext_edge.errors import ConfigError, MeasurementError
from scunext_edge.spec import ModelSpec

MS = 1_000_000
SECOND = 1_000 * MS


@dataclass
class World:
    """A clock in nanoseconds, and a log of what moved it."""

    call_ns: int = 5 * MS
    evict_ns: int = 20 * MS
    growth_bytes: int = 0  # per call
    now: int = 0
    log: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)  # seconds at which memory was looked at
    windows: list = field(default_factory=list)

    spec = ModelSpec(size=32)

    @property
    def means(self) -> Means:
        return Means(
            clock=lambda: self.now,
            sleep=self.sleep,
            evict=self.evict,
            resident=self.resident,
            keep=self.windows.append,
        )

    def sleep(self, seconds):
        self.log.append("sleep")
        self.slept.append(seconds)
        self.now += round(seconds * 1e9)

    def evict(self):
        self.log.append("evict")
        self.now += self.evict_ns

    def resident(self):
        self.asked.append(self.now / 1e9)
        return 50_000_000 + self.growth_bytes * self.log.count("execute")

    # a runner

    def put(self, inputs):
        self.log.append("put")
        self.batch = len(inputs["image"])

    def execute(self):
        self.log.append("execute")
        self.now += self.call_ns

    def get(self):
        return {"logits": np.ones((self.batch, 1, 32, 32), np.float32)}

    def take(self, plan, *, batch=1, **settings):
        images = {"image": np.zeros((batch, 32, 32, 3), np.uint8)}
        return take(self, images, plan, means=self.means, **settings)


def clinic(**changes):
    settings = {"warmup": 1, "values": 3, "interval_s": 2.0}
    return Plan(region="compute", scenario="clinic", **{**settings, **changes})


def burst(**changes):
    settings = {"warmup": 1, "values": 2, "interval_s": 2.0, "burst": 8}
    return Plan(region="compute", scenario="burst", **{**settings, **changes})


def soak(**changes):
    settings = {"warmup": 2, "values": 1, "duration_s": 1200.0}
    return Plan(region="compute", scenario="soak", **{**settings, **changes})


# --- clinic


def test_caches_are_emptied_and_the_device_idles_before_every_patient():
    world = World()
    samples = world.take(clinic())
    assert world.log == ["put", "execute", *["evict", "sleep", "execute"] * 3]
    assert samples.values_ns == (5 * MS,) * 3
    assert samples.warmup_ns == (5 * MS,)


def test_patients_come_at_equal_intervals_whatever_the_rest_took():
    world = World(call_ns=300 * MS, evict_ns=200 * MS)
    world.take(clinic(warmup=0))
    assert world.slept == pytest.approx([1.8, 1.5, 1.5])
    assert world.now / 1e9 == pytest.approx(3 * 2 + 0.3)


def test_emptying_and_sleeping_are_no_part_of_the_value():
    slow = World(evict_ns=900 * MS)
    assert slow.take(clinic()).values_ns == World().take(clinic()).values_ns


def test_an_interval_without_idle_time_is_refused():
    with pytest.raises(MeasurementError, match=r"every 2 s leaves no idle time"):
        World(call_ns=3 * SECOND).take(clinic())


def test_a_clinic_goes_on_for_its_duration():
    samples = World().take(clinic(duration_s=9.0))
    assert len(samples.values_ns) == 5  # the last began at 10 s


def test_a_patient_of_end_to_end_is_a_file():
    stream = io.BytesIO()
    Image.new("RGB", (50, 40), "red").save(stream, format="PNG")
    world = World()
    plan = Plan(region="end_to_end", scenario="clinic", warmup=0, values=1, interval_s=1.0)
    assert len(world.take(plan, encoded=stream.getvalue()).values_ns) == 1
    assert world.log[-2:] == ["put", "execute"]


def test_the_buffer_that_empties_the_caches_is_stated(monkeypatch):
    from scunext_edge.benchmarks import scenarios

    class Small:
        size_bytes = 4096

        def __call__(self):
            world.log.append("evict")

    world = World()
    monkeypatch.setattr(scenarios, "Evictor", Small)
    means = Means(clock=lambda: world.now, sleep=world.sleep)
    images = {"image": np.zeros((1, 32, 32, 3), np.uint8)}
    samples = take(world, images, clinic(), means=means)
    assert samples.evicted_bytes == 4096
    assert world.log.count("evict") == 3


# --- burst


def test_a_burst_is_timed_until_its_last_mask_and_each_mask_is_kept():
    world = World()
    samples = world.take(burst())
    assert samples.values_ns == (40 * MS, 40 * MS)
    assert samples.masks_ns == (tuple(5 * MS * count for count in range(1, 9)),) * 2
    assert world.log == ["put", "execute", *["evict", "sleep", *["execute"] * 8] * 2]


@pytest.mark.parametrize(("batch", "calls"), [(1, 8), (4, 2), (8, 1)])
def test_a_burst_may_go_in_batches(batch, calls):
    samples = World().take(burst(), batch=batch)
    assert [len(ends) for ends in samples.masks_ns] == [calls, calls]
    assert calls_per_burst(burst(), batch) == calls


# --- soak


def test_a_soak_lasts_its_duration_in_windows_of_a_minute():
    world = World(call_ns=100 * MS)
    samples = world.take(soak())
    windows = samples.soak.windows
    assert (samples.soak.window_s, samples.soak.every) == (60.0, 1)
    assert [window.start_s for window in windows] == pytest.approx([60 * k for k in range(20)])
    assert [window.calls for window in windows] == [600] * 20
    assert len(samples.values_ns) == 12_000
    assert list(windows) == world.windows
    assert samples.warmup_ns == (100 * MS,) * 2


def test_a_short_soak_has_twenty_windows():
    assert window_s(soak(duration_s=1.0)) == 0.05
    samples = World(call_ns=100 * MS).take(soak(duration_s=20.0))
    assert [window.calls for window in samples.soak.windows] == [10] * 20


def test_a_soak_takes_its_values_even_if_they_outlast_it():
    samples = World(call_ns=10 * MS).take(soak(duration_s=1.0, values=150))
    assert sum(window.calls for window in samples.soak.windows) == len(samples.values_ns) == 150


def test_a_call_longer_than_a_window_fills_it():
    samples = World(call_ns=SECOND).take(soak(duration_s=4.0))
    assert [window.calls for window in samples.soak.windows] == [1] * 4


def test_percentiles_are_those_of_the_window():
    world = World()
    costs = iter([MS] * 2 + ([10 * MS] * 95 + [50 * MS] * 5) * 1000)
    world.execute = lambda: setattr(world, "now", world.now + next(costs))
    window = world.take(soak(duration_s=100.0)).soak.windows[0]
    assert (window.p50_ns, window.max_ns) == (10 * MS, 50 * MS)
    assert 10 * MS <= window.p95_ns < 50 * MS


def test_memory_is_asked_for_at_most_once_a_second_and_outside_the_values():
    world = World(call_ns=100 * MS)
    samples = world.take(soak(duration_s=100.0))
    assert samples.soak.window_s == 5.0
    assert min(np.diff(world.asked)) >= 0.999  # what float64 leaves of 1
    assert len(world.asked) == 100
    assert [len(window.resident_bytes) for window in samples.soak.windows] == [5] * 20
    assert set(samples.values_ns) == {100 * MS}


def test_an_hour_is_asked_for_its_memory_every_three_seconds():
    world = World(call_ns=500 * MS)
    windows = world.take(soak(duration_s=3600.0)).soak.windows
    assert {len(window.resident_bytes) for window in windows} == {20}


def test_memory_that_is_not_known_is_no_sample():
    world = World(call_ns=100 * MS)
    world.resident = lambda: None
    windows = world.take(soak(duration_s=10.0)).soak.windows
    assert {window.resident_bytes for window in windows} == {()}


def test_windows_that_are_done_outlive_an_engine_that_breaks():
    world = World(call_ns=100 * MS)
    real = world.execute

    def break_later():
        real()
        if world.now > 200 * SECOND:
            raise MemoryError

    world.execute = break_later
    with pytest.raises(MemoryError):
        world.take(soak())
    assert len(world.windows) == 3
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_values_of_hours_are_thinned_evenly(monkeypatch):
    from scunext_edge.benchmarks import scenarios

    monkeypatch.setattr(scenarios, "Thinned", lambda: Thinned(64))
    samples = World(call_ns=100 * MS).take(soak(duration_s=60.0))
    assert samples.soak.every == 16
    assert len(samples.values_ns) == 38  # of 600
    assert sum(window.calls for window in samples.soak.windows) == 600


def test_what_is_thinned_keeps_every_first_second_fourth_number():
    thinned = Thinned(8)
    for number in range(100):
        thinned.add(number)
        kept = thinned.numbers().tolist()
        assert kept == list(range(0, number + 1, thinned.every))
        assert len(kept) <= 8
    assert thinned.every == 16
    thinned.clear()
    thinned.add(7)
    assert thinned.numbers().tolist() == [7]


# --- the others


@pytest.mark.parametrize("scenario", ["single-stream", "offline"])
def test_back_to_back_needs_no_idle_time_and_empties_nothing(scenario):
    world = World()
    samples = world.take(Plan(region="compute", scenario=scenario, warmup=1, values=3))
    assert samples.values_ns == (5 * MS,) * 3
    assert world.log == ["put", *["execute"] * 4]
    assert samples.evicted_bytes is None


@pytest.mark.parametrize(
    ("plan", "calls", "ticks_of_the_clock"),
    [(clinic(), 1, 1), (soak(), 1, 1), (burst(), 8, 8), (burst(), 2, 2)],
)
def test_the_harness_costs_its_looks_at_the_clock(plan, calls, ticks_of_the_clock, ticks):
    assert harness_ns(plan, calls=calls, clock=ticks(90)) == 90 * ticks_of_the_clock


@pytest.mark.parametrize("plan", [clinic(), burst(), soak(duration_s=10.0)])
def test_garbage_collection_pauses_and_comes_back(plan):
    world = World()
    seen = []
    real = world.execute
    world.execute = lambda: (seen.append(gc.isenabled()), real())
    world.take(plan)
    assert not any(seen)
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scenario": "clinic"}, "clinic needs interval_s"),
        ({"scenario": "burst", "interval_s": 1.0}, "burst needs burst"),
        ({"scenario": "soak"}, "soak needs duration_s"),
        ({"interval_s": 1.0}, "single-stream has no use for interval_s"),
        ({"scenario": "soak", "duration_s": 1.0, "interval_s": 1.0}, "soak has no use for"),
        ({"scenario": "clinic", "interval_s": 1.0, "burst": 8}, "clinic has no use for burst"),
        ({"scenario": "clinic", "interval_s": 1.0, "budget_s": 1.0}, "no use for budget_s"),
    ],
)
def test_a_plan_says_what_its_scenario_needs_and_nothing_else(settings, words):
    with pytest.raises(ConfigError, match=words) as caught:
        Plan(region="compute", warmup=1, values=1, **settings)
    assert caught.value.hint


def test_a_plan_knows_what_it_takes_at_least():
    assert clinic(values=10).least_s == 20.0
    assert soak().least_s == 1200.0
    assert Plan(region="compute", warmup=1, values=1000).least_s == 0.0
