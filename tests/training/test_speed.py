"""The benchmark times the real step, against one that does the same job plainly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scunext_edge.training import speed
from scunext_edge.training.batches import batches
from scunext_edge.training.limit import Rates
from scunext_edge.training.recipe import preset
from scunext_edge.training.schedule import rate

CPU = {"accelerator": "cpu"}


@pytest.mark.parametrize("kind", ["plain", "fp32", "bf16", "loader"])
def test_every_batch_leaves_its_times(kind, monkeypatch):
    rates = Rates(flops_per_s={"fp32": 1e11, "bf16": 1e11}, bytes_per_s={1 << 20: 1e10})
    monkeypatch.setattr(speed, "rates_of", lambda device: rates)  # tests/training/test_limit.py
    job = {"model": "unext", "kind": kind, "threads": 1, "warmup": 1, "steps": 3, **CPU}
    found = speed.work({**job, "batch": 2, "size": 32})
    assert len(found["loader_ns"]) == 3
    assert (
        len(found["step_ns"]) == len(found["warmup_step_ns"]) * 3 == (0 if kind == "loader" else 3)
    )
    assert all(value > 0 for value in found["loader_ns"] + found["step_ns"])
    assert found["memory_bytes"] is None or found["memory_bytes"] >= 0
    assert (found["least"] is None) == (kind == "loader")
    if found["least"]:
        assert found["least"]["compute_ns"] + found["least"]["memory_ns"] > 0


def test_the_most_that_was_held_counts_what_is_free_again():
    before = speed._peak_bytes(torch.device("cpu"))
    if before is None:
        pytest.skip("this system does not tell the peak of a process")
    much = torch.ones(before + (64 << 20), dtype=torch.uint8)
    del much
    assert speed._peak_bytes(torch.device("cpu")) >= before + (64 << 20)


@pytest.mark.parametrize("status", ["Name:\tpython\nVmRSS:\t  1024 kB\n", ""])
def test_a_system_that_tells_no_peak_has_none(monkeypatch, status):
    monkeypatch.setattr(speed.Path, "read_text", lambda path, encoding: status)
    assert speed._peak_bytes(torch.device("cpu")) is None


def test_what_is_timed_as_ours_is_the_step_of_a_run(monkeypatch):
    called = []
    monkeypatch.setattr(speed, "take_step", lambda *batch, **at: called.append(at))
    speed._ours("unext", preset("fast", size=32))(None, None)
    assert called == [{"number": 5000, "total": 10000}]


def test_the_plain_step_learns_what_ours_learns(lesions):
    recipe = preset("fast", size=64, batch=4, precision="fp32")
    peak = rate(recipe, speed.TOTAL // 2, speed.TOTAL)
    ours, plain = speed._ours("unext", recipe), speed._plain("unext", replace(recipe, lr=peak))
    losses = [
        (float(plain(images, truth)), float(ours(images, truth)))
        for images, truth in batches(lesions, recipe, epoch=0)
    ]
    assert len(losses) == 6
    for one, other in losses:
        assert one == pytest.approx(other, rel=2e-3)
    assert losses[-1] != losses[0]
