"""NVIDIA GPUs: what they are, how fast they may run, what slows them, who else uses them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks.passport import nvml
from scunext_edge.benchmarks.passport.nvml import Device
from scunext_edge.benchmarks.passport.sources import Ask

# NVML's numbers.
_SM, _MEMORY_CLOCK = 1, 2
_SENSOR = 0
_POWER_POLICY, _THERMAL_POLICY = 0, 1
_REASONS = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "power limit",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal limit of the software",
    0x40: "thermal limit of the hardware",
    0x80: "power brake",
    0x100: "display clocks",
}
# The others are how a GPU that has nothing to do, or was set so, looks.
SLOWING = frozenset(_REASONS[bit] for bit in (0x4, 0x8, 0x20, 0x40, 0x80))
# The namespace that the kernel starts with; in another one the driver counts by other numbers.
_FIRST_NAMESPACE = "pid:[4026531836]"


def identity(ask: Ask) -> dict[str, Any]:
    """What does not change. ``gpu_name`` and ``gpu_driver`` are those of the first GPU."""
    with nvml.opened() as library:
        found = [] if library is None else [_what(it) for it in nvml.devices(library)]
        if found:
            version = nvml.answer(library, "nvmlSystemGetCudaDriverVersion")
            return {
                "gpu_name": found[0]["name"],
                "gpu_driver": nvml.answer(library, "nvmlSystemGetDriverVersion"),
                "gpu_cuda": f"{version // 1000}.{version % 1000 // 10}" if version else None,
                "gpus": found,
            }
    name, driver = _told(ask)
    return {"gpu_name": name, "gpu_driver": driver, "gpu_cuda": None, "gpus": None}


def state(*, pid_namespace: Path = Path("/proc/self/ns/pid")) -> list[dict[str, Any]] | None:
    """What does change, one entry per GPU; null without NVML. Counters are sums."""
    with nvml.opened() as library:
        found = [] if library is None else nvml.devices(library)
        return [_now(device, pid_namespace) for device in found] or None


def reasons(bits: int | None) -> list[str] | None:
    """NVML's bits of why a clock is lower than it might be, in words."""
    return None if bits is None else [word for bit, word in _REASONS.items() if bits & bit]


def _what(device: Device) -> dict[str, Any]:
    memory = device.ask("MemoryInfo")
    mig = device.ask("MigMode")  # (now, after the next reset)
    return {
        "name": device.ask("Name"),
        "memory_bytes": getattr(memory, "total", None),
        "clock_max_sm_mhz": device.ask("MaxClockInfo", _SM),
        "clock_max_memory_mhz": device.ask("MaxClockInfo", _MEMORY_CLOCK),
        "mig": None if mig is None else bool(mig[0]),
    }


def _now(device: Device, pid_namespace: Path) -> dict[str, Any]:
    persistence = device.ask("PersistenceMode")
    bits = device.ask("CurrentClocksEventReasons")
    if bits is None:  # the name before driver 535
        bits = device.ask("CurrentClocksThrottleReasons")
    others, memory = _others(device, pid_namespace)
    return {
        "clock_sm_mhz": device.ask("ClockInfo", _SM),
        "clock_memory_mhz": device.ask("ClockInfo", _MEMORY_CLOCK),
        "power_limit_mw": device.ask("EnforcedPowerLimit"),
        "power_mw": device.ask("PowerUsage"),
        "temperature_c": device.ask("Temperature", _SENSOR),
        "clock_reasons": reasons(bits),
        "power_violation_ns": _violation(device, _POWER_POLICY),
        "thermal_violation_ns": _violation(device, _THERMAL_POLICY),
        "persistence": None if persistence is None else bool(persistence),
        "other_processes": others,
        "other_memory_bytes": memory,
        "energy_mj": device.ask("TotalEnergyConsumption"),
    }


def _violation(device: Device, policy: int) -> int | None:
    """Nanoseconds for which a limit held the clocks down, since the driver was loaded."""
    return getattr(device.ask("ViolationStatus", policy), "violationTime", None)


def _others(device: Device, pid_namespace: Path) -> tuple[int | None, int | None]:
    """How many other processes compute on it, and the memory that they hold.

    In a container the driver may count processes by the host's numbers: then one of those that
    are listed may be this one, and nothing is known.
    """
    listed = device.ask("ComputeRunningProcesses")
    if listed is None:
        return None, None
    others = [process for process in listed if process.pid != os.getpid()]
    if others and len(others) == len(listed) and not _counts_as_driver(pid_namespace):
        return None, None
    held = [process.usedGpuMemory for process in others]
    return len(others), None if None in held else sum(held)


def _counts_as_driver(pid_namespace: Path) -> bool:
    try:
        return str(pid_namespace.readlink()) == _FIRST_NAMESPACE
    except OSError:
        return False


def _told(ask: Ask) -> tuple[str | None, str | None]:
    """Name and driver as NVIDIA's own command tells them, where there is no ``pynvml``."""
    told = ask("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader") or ""
    words = next(iter(told.splitlines()), "").split(", ")
    return (words[0], words[1]) if len(words) == 2 else (None, None)
