"""GPUs by a stand-in for NVIDIA's library: complete, half of it refused, and absent."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from scunext_edge.benchmarks.passport import gpu

MINE = SimpleNamespace(pid=os.getpid(), usedGpuMemory=300)
OTHER = SimpleNamespace(pid=1, usedGpuMemory=1000)
THIRD = SimpleNamespace(pid=2, usedGpuMemory=None)


class NotSupported(Exception):
    pass


def card(**changes):
    """Answers of one device by question; a function takes the argument of the question."""
    return {
        "Name": "NVIDIA H200",
        "MemoryInfo": SimpleNamespace(total=150 << 30),
        "MaxClockInfo": {1: 1980, 2: 3201}.get,
        "ClockInfo": {1: 1755, 2: 3201}.get,
        "MigMode": [0, 0],
        "EnforcedPowerLimit": 700_000,
        "PowerUsage": 123_456,
        "Temperature": {0: 47}.get,
        "CurrentClocksEventReasons": 0x4 | 0x40,
        "ViolationStatus": lambda policy: SimpleNamespace(violationTime=10 + policy),
        "PersistenceMode": 1,
        "ComputeRunningProcesses": [MINE, OTHER],
        "TotalEnergyConsumption": 987_654_321,
        **changes,
    }


@pytest.fixture
def nvml(monkeypatch):
    """Installs a stand-in with these devices; returns how often it was opened and closed."""

    def install(*devices, cuda=13000):
        calls = []

        def ask(question):
            def answer(device, *arguments):
                if question not in device:
                    raise NotSupported(question)
                found = device[question]
                return found(*arguments) if callable(found) else found

            return answer

        library = SimpleNamespace(
            nvmlInit=lambda: calls.append("open"),
            nvmlShutdown=lambda: calls.append("close"),
            nvmlDeviceGetCount=lambda: len(devices),
            nvmlDeviceGetHandleByIndex=lambda index: devices[index],
            nvmlSystemGetDriverVersion=lambda: b"580.65.06",
            nvmlSystemGetCudaDriverVersion=lambda: cuda,
            **{f"nvmlDeviceGet{question}": ask(question) for question in card()},
        )
        library.nvmlDeviceGetCurrentClocksThrottleReasons = ask("CurrentClocksThrottleReasons")
        monkeypatch.setitem(sys.modules, "pynvml", library)
        return calls

    return install


def test_what_a_gpu_is(nvml, nobody):
    calls = nvml(card(), card(Name=b"NVIDIA L4"))
    found = gpu.identity(nobody)
    assert (found["gpu_name"], found["gpu_driver"], found["gpu_cuda"]) == (
        "NVIDIA H200",
        "580.65.06",
        "13.0",
    )
    assert found["gpus"][0] == {
        "name": "NVIDIA H200",
        "memory_bytes": 150 << 30,
        "clock_max_sm_mhz": 1980,
        "clock_max_memory_mhz": 3201,
        "mig": False,
    }
    assert found["gpus"][1]["name"] == "NVIDIA L4"
    assert calls == ["open", "close"]


def test_the_state_of_a_gpu(nvml):
    nvml(card())
    (found,) = gpu.state()
    assert found == {
        "clock_sm_mhz": 1755,
        "clock_memory_mhz": 3201,
        "power_limit_mw": 700_000,
        "power_mw": 123_456,
        "temperature_c": 47,
        "clock_reasons": ["power limit", "thermal limit of the hardware"],
        "power_violation_ns": 10,
        "thermal_violation_ns": 11,
        "persistence": True,
        "other_processes": 1,
        "other_memory_bytes": 1000,
        "energy_mj": 987_654_321,
    }


def test_a_jetsons_gpu_refuses_most_questions(nvml, nobody):
    nvml({"Name": "Orin (nvgpu)"})
    assert gpu.identity(nobody)["gpu_name"] == "Orin (nvgpu)"
    (found,) = gpu.state()
    assert set(found.values()) == {None}


def test_an_older_driver_has_another_name_for_its_reasons(nvml):
    old = card(CurrentClocksThrottleReasons=0x1)
    del old["CurrentClocksEventReasons"]
    nvml(old)
    assert gpu.state()[0]["clock_reasons"] == ["idle"]


def test_no_reason_is_not_the_same_as_an_unknown_one():
    assert (gpu.reasons(0), gpu.reasons(None)) == ([], None)


@pytest.mark.parametrize(
    ("listed", "namespace", "found"),
    [
        ([], "pid:[4026531836]", (0, 0)),
        ([MINE], "pid:[4026531836]", (0, 0)),
        ([OTHER, THIRD], "pid:[4026531836]", (2, None)),
        ([OTHER], "pid:[4026531836]", (1, 1000)),
        ([OTHER], "pid:[4026532999]", (None, None)),  # in a container this may be ourselves
        ([MINE, OTHER], "pid:[4026532999]", (1, 1000)),
        ([], "pid:[4026532999]", (0, 0)),
    ],
)
def test_others_are_counted_where_they_can_be_told_from_us(
    nvml, tmp_path, listed, namespace, found
):
    link = tmp_path / "pid"
    link.symlink_to(namespace)
    nvml(card(ComputeRunningProcesses=listed))
    (state,) = gpu.state(pid_namespace=link)
    assert (state["other_processes"], state["other_memory_bytes"]) == found


def test_without_the_package_nvidias_command_names_the_gpu(tools):
    told = "NVIDIA H200, 580.65.06\nNVIDIA H200, 580.65.06"
    found = gpu.identity(tools(nvidia_smi=told))
    assert (found["gpu_name"], found["gpu_driver"]) == ("NVIDIA H200", "580.65.06")
    assert (found["gpus"], gpu.state()) == (None, None)


@pytest.mark.parametrize("told", [None, "No devices were found", "a, b, c"])
def test_without_a_gpu_it_is_null(tools, told):
    found = gpu.identity(tools(nvidia_smi=told))
    assert set(found.values()) == {None}


def test_a_driver_that_does_not_start_is_no_error(nvml, monkeypatch, nobody):
    nvml(card())

    def fail():
        raise NotSupported("driver not loaded")

    monkeypatch.setattr(sys.modules["pynvml"], "nvmlInit", fail)
    assert gpu.identity(nobody)["gpu_name"] is None
    assert gpu.state() is None
