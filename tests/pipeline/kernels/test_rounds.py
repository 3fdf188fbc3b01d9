"""Engines side by side: the order of the rounds, what is kept, and what a crash costs."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from pathlib import Path

import pytest

from scunext_edge.errors import BackendMissing, EngineError
from scunext_edge.pipeline.kernels.rounds import cpus, measure_group
from scunext_edge.pipeline.kernels.settings import FORMS, QUICK, REFERENCE, Group, Settings

GROUP = Group("unext", 64, 1)


class Files:
    """Paths that nobody opens."""

    def __init__(self, lacking=()):
        self.lacking = lacking

    def path(self, form):
        if form.engine in self.lacking:
            raise BackendMissing(f"the {form.engine} backend needs a package")
        return Path(f"/files/{form.engine}")


@pytest.fixture
def settings(forms):
    return Settings(
        models=("unext",), sizes=(64,), threads=(1,), forms=forms, rounds=30, pause_ms=0.0,
        burst_ms=6.0,
    )  # fmt: skip


@pytest.fixture
def measured(fakes, settings, tmp_path):
    """``measured(...)``: a group measured on fakes; native runs on AVX2."""

    def measure(files=None, **changes):
        changed = dataclasses.replace(settings, **changes)
        found = measure_group(
            GROUP, changed, files or Files(), isa="avx2", folder=tmp_path, start=fakes.start
        )
        found["by_engine"] = {row["engine"]: row for row in found["rows"]}
        return found

    return measure


def orders(log, count):
    return [tuple(log[at : at + count]) for at in range(0, len(log), count)]


def test_each_round_asks_every_engine_once_in_an_order_drawn_anew(fakes, measured):
    measured()
    rounds = orders(fakes.log, 3)
    assert len(rounds) == 30
    assert all(len(set(one)) == 3 for one in rounds)
    assert len(set(rounds)) == 6  # of 3! orders; chance that one is missing: below 3 %
    firsts = Counter(one[0] for one in rounds)
    assert min(firsts.values()) >= 3


def test_the_order_is_the_seeds(fakes, measured):
    taken = []
    for seed in (0, 0, 1):
        fakes.log.clear()
        measured(seed=seed)
        taken.append(list(fakes.log))
    assert taken[0] == taken[1] != taken[2]


def test_a_row_has_its_values_and_their_summary(fakes, measured):
    fakes.facts["native"] = {"ms": 2.0}
    row = measured(rounds=3)["by_engine"]["native"]
    assert (row["rounds"], row["runs_per_round"]) == (3, 3)
    assert row["values_ns"] == [[2_000_001] * 3, [2_000_002] * 3, [2_000_003] * 3]
    assert (row["ms_min"], row["ms_median"]) == (2.000001, 2.000002)
    assert row["includes"] == "uint8 image to score"
    assert (row["model"], row["size"], row["threads"]) == ("unext", 64, 1)
    assert "typical_ns" not in row


def test_others_are_timed_on_the_network_alone(measured):
    rows = measured(rounds=1)["by_engine"]
    assert rows["mnn"]["includes"] == "network only, float logits"


@pytest.mark.parametrize(("ms", "runs"), [(0.001, 100), (0.5, 12), (1000.0, 3)])
def test_a_burst_is_about_as_long_for_every_engine(fakes, measured, ms, runs):
    fakes.facts["native"] = {"ms": ms}
    assert measured(rounds=1)["by_engine"]["native"]["runs_per_round"] == runs


def test_masks_are_compared_with_those_of_the_reference(measured):
    rows = measured(rounds=1)["by_engine"]
    assert rows[REFERENCE.engine]["same_pixels"] == 1.0
    assert rows["native"]["same_pixels"] == 1.0
    assert rows["mnn"]["same_pixels"] == 1 - 1 / 64**2


def test_without_the_reference_nothing_is_compared(measured):
    rows = measured(Files(lacking=["onnxruntime"]), rounds=1)["by_engine"]
    assert {row["same_pixels"] for row in rows.values()} == {None}


@pytest.mark.parametrize(
    ("facts", "lacking"), [({"refuses": True}, []), ({}, ["mnn"])], ids=["refuses", "lacks"]
)
def test_an_engine_that_cannot_begin_costs_its_own_rows(fakes, measured, facts, lacking):
    fakes.facts["mnn"] = facts
    found = measured(Files(lacking), rounds=2)
    assert set(found["by_engine"]) == {"native", "onnxruntime"}
    (absent,) = found["missing"]
    assert (absent["engine"], absent["model"], absent["size"]) == ("mnn", "unext", 64)
    assert absent["reason"]


@pytest.mark.parametrize("dies", [1, 2, 5])
def test_an_engine_that_crashes_in_a_round_costs_its_own_row(fakes, measured, dies):
    fakes.facts["mnn"] = {"dies": dies}
    found = measured(rounds=6)
    assert set(found["by_engine"]) == {"native", "onnxruntime"}
    assert all(row["rounds"] == 6 for row in found["rows"])
    (absent,) = found["missing"]
    assert (absent["engine"], absent["kind"]) == ("mnn", EngineError.__name__)
    assert "segmentation fault" in absent["reason"]
    assert fakes.log.count(("mnn", "fp32")) == dies  # and is asked no more


def test_every_engine_is_ended(fakes, measured):
    measured(rounds=1)
    assert sorted(fakes.closed) == ["mnn", "native", "onnxruntime"]


def test_only_native_is_told_an_instruction_set_until_one_is_forced(fakes, measured, settings):
    openvino = next(form for form in FORMS if form.engine == "openvino")
    both = (*settings.forms, openvino)
    measured(forms=both, rounds=1)
    assert fakes.jobs["native"]["isa"] == "avx2"
    assert not any(fakes.envs.values())
    measured(forms=both, rounds=1, isa="avx2")
    assert fakes.envs["openvino"] == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    assert fakes.envs["native"] == {}


def test_a_process_gets_as_many_cpus_as_it_has_threads():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system has no affinity")
    allowed = os.sched_getaffinity(0)
    for threads in range(1, len(allowed) + 1):
        chosen = cpus(threads)
        assert len(set(chosen)) == threads
        assert set(chosen) <= allowed


def test_settings_name_every_group_and_the_quick_ones_are_a_part():
    groups = list(Settings().groups())
    assert len(set(groups)) == len(groups) == 2 * 2 * 2
    assert Group("unext", 256, 1) in groups
    assert REFERENCE in FORMS
    assert set(QUICK.forms) < set(FORMS)
    assert REFERENCE in QUICK.forms
    assert len(list(QUICK.groups())) == 1
