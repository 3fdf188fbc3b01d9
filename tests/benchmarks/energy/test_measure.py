"""Two windows on a clock of our own, and what is computed from them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from scunext_edge.benchmarks.energy import (
    Energy,
    Unreadable,
    doubts,
    from_json,
    measure_energy,
    per_patient_mj,
)
from scunext_edge.errors import ConfigError

IDLE_MW, WORK_MW, CALL_S = 2000.0, 5000.0, 0.5


class Board:
    """Takes 2 W, and 5 W while a call runs; its second rail takes a tenth of that."""

    name = "test"
    total_of = ("VDD_IN",)

    def __init__(self, clock):
        self.clock = clock
        self.uj = 0.0
        self.calls = 0
        self.fails = False

    def sleep(self, seconds):
        self.clock.sleep(seconds)
        self.uj += IDLE_MW * seconds * 1000

    def call(self):
        self.calls += 1
        self.clock.sleep(CALL_S)
        self.uj += WORK_MW * CALL_S * 1000

    def read(self):
        if self.fails and self.calls:
            raise OSError(5, "Input/output error")
        return {"VDD_IN": self.uj, "VDD_SOC": self.uj / 10}

    def samples(self):
        return None

    def close(self):
        raise AssertionError("who opened it closes it")


@pytest.fixture
def board(clock):
    return Board(clock)


def measured(board, **options):
    options = {"images": 2, "duration_s": 10.0, "idle_s": 5.0, **options}
    return measure_energy(board.call, source=board, clock=board.clock, sleep=board.sleep, **options)


def test_idle_and_work_are_told_apart(board):
    found = measured(board)
    assert found.seconds == pytest.approx(10)
    assert found.idle_seconds == pytest.approx(5)
    assert (found.calls, found.images) == (20, 40)
    assert found.idle_mw == pytest.approx(IDLE_MW)
    assert found.mj_per_image == pytest.approx(WORK_MW * CALL_S / 2)
    assert found.mj_per_image_over_idle == pytest.approx((WORK_MW - IDLE_MW) * CALL_S / 2)
    assert found.rails_uj["VDD_SOC"] == pytest.approx(found.rails_uj["VDD_IN"] / 10)
    assert doubts(found) == []


def test_warm_up_is_not_in_it(board):
    found = measured(board)
    assert board.calls == found.calls + 3


def test_a_slow_call_is_made_three_times(board):
    assert measured(board, duration_s=0.1).calls == 3


def test_a_patient_costs_work_and_the_wait_for_the_next(board):
    found = measured(board)
    one = found.mj_per_image_over_idle
    assert per_patient_mj(found, interval_s=60) == pytest.approx(one + IDLE_MW * 60)
    assert per_patient_mj(found, interval_s=60, images=4) == pytest.approx(4 * one + IDLE_MW * 60)


def test_no_patient_is_faster_than_the_work(board):
    with pytest.raises(ConfigError, match="faster than 8 images"):
        per_patient_mj(measured(board), interval_s=1.0, images=8)


def test_a_source_that_cannot_be_read_costs_no_call(board):
    refused = Unreadable(reason="root alone", hint="chmod")
    assert measure_energy(board.call, images=1, source=refused) is refused
    assert board.calls == 0


def test_a_source_that_dies_is_told(board):
    board.fails = True
    assert measured(board) == Unreadable(reason="test stopped answering: Input/output error")


def test_rails_that_change_are_told(board, monkeypatch):
    rails = iter([{"A": 0.0}, {"A": 1.0}, {"A": 2.0}, {}])
    monkeypatch.setattr(board, "read", lambda: next(rails))
    assert "same rails" in measured(board).reason


def test_without_a_known_total_rails_are_kept_and_nothing_is_summed(board):
    found = replace(measured(board), total_of=None)
    assert (found.idle_mw, found.mj_per_image, found.mj_per_image_over_idle) == (None, None, None)
    assert per_patient_mj(found, interval_s=60) is None
    assert found.rails_uj["VDD_IN"] > 0
    assert "no total" in doubts(found)[0]


@pytest.mark.parametrize(
    "found",
    [
        Energy(
            source="RAPL",
            rails_uj={"package-0": 3e6, "psys": 5e6},
            idle_rails_uj={"package-0": 1e6, "psys": 2e6},
            total_of=("package-0",),
            seconds=10.0,
            idle_seconds=5.0,
            calls=7,
            images=7,
            samples=None,
        ),
        Unreadable(reason="no counter", hint="look elsewhere"),
    ],
)
def test_both_outcomes_survive_json(found):
    assert from_json(json.loads(json.dumps(asdict(found)))) == found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": 0.7}, "energy over 0.7 s; a sensor needs 2 s"),
        ({"samples": 4}, "energy rests on 4 samples of power"),
        (
            {"rails_uj": {"VDD_IN": IDLE_MW * 10 * 1010}},
            "working added 1% to the power of idling: that is mostly noise",
        ),
    ],
)
def test_what_is_too_little_is_doubted(board, changes, said):
    assert said in doubts(replace(measured(board), **changes))
