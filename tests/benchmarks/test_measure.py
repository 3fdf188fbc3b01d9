from __future__ import annotations

import gc
import io

import numpy as np
import pytest
from PIL import Image

from scunext_edge.benchmarks.measure import (
    MINIMUM_VALUES,
    MINIMUM_WARMUP,
    Plan,
    harness_cost_ns,
    measure,
)
from scunext_edge.errors import ConfigError
from scunext_edge.spec import ModelSpec

IMAGE = {"image": np.zeros((1, 32, 32, 3), np.uint8)}
SECOND = 1_000_000_000


class RecordingRunner:
    spec = ModelSpec(size=32)

    def __init__(self):
        self.calls = []
        self.gc_was_on = []
        self.batch = 1

    def put(self, inputs):
        self.calls.append("put")
        self.batch = len(inputs["image"])

    def execute(self):
        self.calls.append("execute")
        self.gc_was_on.append(gc.isenabled())

    def get(self):
        self.calls.append("get")
        return {"logits": np.ones((self.batch, 1, 32, 32), np.float32)}

    def census(self):
        return None

    def close(self):
        self.calls.append("close")


def test_compute_leaves_copies_outside(ticks):
    runner = RecordingRunner()
    measure(runner, IMAGE, Plan(region="compute", warmup=0, values=3), clock=ticks(1))
    assert runner.calls == ["put", "execute", "execute", "execute"]


def test_transfer_includes_both_copies(ticks):
    runner = RecordingRunner()
    measure(runner, IMAGE, Plan(region="transfer", warmup=0, values=2), clock=ticks(1))
    assert runner.calls == ["put", *["put", "execute", "get"] * 2]


def test_end_to_end_starts_at_the_bytes_of_a_file(ticks):
    runner = RecordingRunner()
    stream = io.BytesIO()
    Image.new("RGB", (50, 40), "red").save(stream, format="PNG")
    plan = Plan(region="end_to_end", warmup=1, values=2)
    samples = measure(runner, IMAGE, plan, encoded=stream.getvalue(), clock=ticks(7))
    assert runner.calls.count("execute") == 3
    assert samples.values_ns == (7, 7)


def test_each_value_is_one_call_between_two_looks_at_the_clock(ticks):
    plan = Plan(region="compute", warmup=2, values=4)
    samples = measure(RecordingRunner(), IMAGE, plan, clock=ticks(5))
    assert samples.warmup_ns == (5, 5)
    assert samples.values_ns == (5, 5, 5, 5)


def test_garbage_collection_pauses_and_comes_back(ticks):
    runner = RecordingRunner()
    assert gc.isenabled()
    measure(runner, IMAGE, Plan(region="compute", warmup=1, values=2), clock=ticks(1))
    assert runner.gc_was_on == [False, False, False]
    assert gc.isenabled()


def test_garbage_collection_comes_back_after_an_engine_failed(ticks):
    runner = RecordingRunner()
    runner.execute = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        measure(runner, IMAGE, Plan(region="compute", warmup=0, values=1), clock=ticks(1))
    assert gc.isenabled()


def test_a_fast_network_gets_all_its_values(ticks):
    plan = Plan(region="compute", warmup=10, values=50, budget_s=1.0)
    samples = measure(RecordingRunner(), IMAGE, plan, clock=ticks(SECOND // 1000))
    assert (len(samples.warmup_ns), len(samples.values_ns)) == (10, 50)


def test_a_slower_network_gets_what_the_budget_leaves_after_warm_up(ticks):
    plan = Plan(region="compute", warmup=10, values=100, budget_s=1.0)
    samples = measure(RecordingRunner(), IMAGE, plan, clock=ticks(SECOND // 20))
    assert len(samples.warmup_ns) == 6  # 0.3 s of 50 ms each
    assert len(samples.values_ns) == 14  # the other 0.7 s


def test_the_slowest_network_still_gets_the_minimum(ticks):
    plan = Plan(region="compute", warmup=10, values=100, budget_s=1.0)
    samples = measure(RecordingRunner(), IMAGE, plan, clock=ticks(3 * SECOND))
    assert len(samples.warmup_ns) == MINIMUM_WARMUP
    assert len(samples.values_ns) == MINIMUM_VALUES


def test_a_plan_of_fewer_values_than_the_minimum_is_kept(ticks):
    plan = Plan(region="compute", warmup=1, values=2, budget_s=0.1)
    assert len(measure(RecordingRunner(), IMAGE, plan, clock=ticks(SECOND)).values_ns) == 2


@pytest.mark.parametrize("region", ["compute", "transfer", "end_to_end"])
def test_the_harness_costs_one_tick_of_the_clock_where_nothing_runs(ticks, region):
    assert harness_cost_ns(region, clock=ticks(90)) == 90


@pytest.mark.parametrize(
    "settings",
    [
        {"warmup": -1, "values": 1},
        {"warmup": 0, "values": 0},
        {"warmup": 0, "values": 1, "budget_s": 1.0},
        {"warmup": 1, "values": 1, "budget_s": 0.0},
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(settings):
    with pytest.raises(ConfigError):
        Plan(region="compute", **settings)
