from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from scunext_edge.benchmarks import memory

BLOCK = 64 << 20


def test_the_peak_holds_what_was_used_and_given_back():
    def use_and_give_back():
        return len(bytearray(b"\1" * BLOCK))

    result, found = memory.peak_over_imports(use_and_give_back)
    assert result == BLOCK
    assert found["peak_bytes"] - found["baseline_bytes"] >= 0.9 * BLOCK


def test_what_was_used_before_does_not_count():
    if not memory._reset_peak():
        pytest.skip("this kernel does not take back its high-water mark")
    before = len(bytearray(b"\1" * BLOCK))
    _, found = memory.peak_over_imports(lambda: before)
    assert found["peak_bytes"] - found["baseline_bytes"] < 0.2 * BLOCK


def test_where_the_mark_cannot_be_reset_the_method_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR", tmp_path)  # a folder cannot be written to
    _, found = memory.peak_over_imports(lambda: None)
    assert found["method"] == "ru_maxrss, lower bound"
    assert found["peak_bytes"] >= found["baseline_bytes"] > 0


def test_the_resident_set_right_now_is_read_where_linux_tells_it(monkeypatch, tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("no /proc here")
    before = memory.resident_bytes()
    block = bytearray(b"\1" * BLOCK)
    assert memory.resident_bytes() - before >= 0.9 * len(block)
    monkeypatch.setattr(memory, "_STATM", tmp_path / "absent")
    assert memory.resident_bytes() is None


class Driver:
    """Stands in for nvidia-smi: one answer after the other to each question."""

    def __init__(self, monkeypatch, **answers):
        self.answers = {name: list(texts) for name, texts in answers.items()}
        monkeypatch.setattr(memory.shutil, "which", lambda name: name)
        monkeypatch.setattr(memory.subprocess, "run", self)

    def __call__(self, command, **options):
        about = "apps" if "compute-apps" in command[1] else "used"
        text = self.answers[about].pop(0)
        if text is None:
            raise subprocess.CalledProcessError(9, command)
        return SimpleNamespace(stdout=text)


@pytest.fixture
def with_torch(monkeypatch):
    cuda = SimpleNamespace(is_initialized=lambda: True, max_memory_allocated=lambda: 7_000_000)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))


def test_a_gpu_s_allocator_and_driver_are_asked(monkeypatch, with_torch):
    own = f"512, {os.getpid()}\n999, 1\n"
    Driver(monkeypatch, used=["100\n"], apps=[own])
    assert memory.DeviceMemory("cuda").read() == {
        "device_allocator_bytes": 7_000_000,
        "device_driver_bytes": 512 << 20,
        "device_method": "nvidia-smi, of this process",
    }


@pytest.mark.parametrize("apps", ["300, 1\n", "", "[N/A], {own}\n", None])
def test_a_driver_that_does_not_know_this_process_tells_the_difference(monkeypatch, apps):
    own = apps and apps.format(own=os.getpid())
    Driver(monkeypatch, used=["100\n50\n", "400\n50\n"], apps=[own])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert memory.DeviceMemory("cuda-graph").read() == {
        "device_allocator_bytes": None,
        "device_driver_bytes": 300 << 20,
        "device_method": "nvidia-smi, difference of all that is used",
    }


@pytest.mark.parametrize("used", [["[N/A]\n", "[N/A]\n"], [None, None], ["100\n", None]])
def test_a_driver_that_tells_nothing_leaves_null(monkeypatch, used):
    Driver(monkeypatch, used=used, apps=[None])
    found = memory.DeviceMemory("cuda").read()
    assert (found["device_driver_bytes"], found["device_method"]) == (None, None)


def test_without_a_gpu_no_driver_is_asked(monkeypatch, with_torch):
    monkeypatch.setattr(memory.shutil, "which", lambda name: pytest.fail("was asked"))
    assert set(memory.DeviceMemory("cpu").read().values()) == {None}


def test_a_gpu_without_the_driver_s_tool_leaves_null(monkeypatch):
    monkeypatch.setattr(memory.shutil, "which", lambda name: None)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert set(memory.DeviceMemory("cuda").read().values()) == {None}
