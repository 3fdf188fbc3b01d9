"""Memory, load, virtual machines, the source of power, and how threads are told to behave."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks.passport import privacy
from scunext_edge.benchmarks.passport.sources import number, ranges, text

# Variables that change how fast an engine is.
_SETTINGS = (
    *("OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY", "OMP_DYNAMIC"),
    *("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MKL_DYNAMIC", "NUMEXPR_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "KMP_AFFINITY", "KMP_BLOCKTIME", "GOMP_CPU_AFFINITY"),
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MALLOC_ARENA_MAX"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING", "NVIDIA_TF32_OVERRIDE"),
)
_CONTAINERS = ("docker", "kubepods", "podman", "libpod", "lxc", "containerd")


def identity(root: Path) -> dict[str, Any]:
    """What does not change: system, memory, and whether it is a virtual machine or a container."""
    return {
        "architecture": platform.machine() or None,
        "cores_logical": os.cpu_count(),
        "memory_bytes": _meminfo(root, "MemTotal"),
        "swap_bytes": _meminfo(root, "SwapTotal"),
        "os": _os_name(),
        "kernel": platform.release() or None,
        "python": platform.python_version(),
        "product": privacy.harmless(text(root / "sys/class/dmi/id/product_name")),
        "container": _container(root),
        "board": text(root / "proc/device-tree/model"),
    }


def state(root: Path) -> dict[str, Any]:
    """What does change. Seconds and microseconds are sums since some start."""
    used = os.times()
    swap, free = (_meminfo(root, f"Swap{name}") for name in ("Total", "Free"))
    busy, stolen = _cpu_seconds(root)
    average, stalled = _pressure(root)
    return {
        "monotonic_s": time.monotonic(),
        "cpu_busy_s": busy,
        "cpu_steal_s": stolen,
        "own_cpu_s": used.user + used.system,
        "load_1min": _load(root),
        "cpu_pressure_percent_10s": average,
        "cpu_pressure_us": stalled,
        "memory_available_bytes": _meminfo(root, "MemAvailable"),
        "swap_used_bytes": None if swap is None or free is None else swap - free,
        **_power(root),
        **_affinity(),
        "thread_settings": thread_settings(),
    }


def thread_settings() -> dict[str, str]:
    """Variables that are set for engines and their pools; a path is no value to pass on."""
    found = {name: os.environ[name] for name in _SETTINGS if name in os.environ}
    return {name: "set" if "/" in value else value for name, value in found.items()}


def _affinity() -> dict[str, Any]:
    """How many CPUs, and which, this process may run on."""
    if not hasattr(os, "sched_getaffinity"):
        return {"cpus_allowed": None, "cpus_allowed_list": None}
    allowed = os.sched_getaffinity(0)
    return {"cpus_allowed": len(allowed), "cpus_allowed_list": ranges(allowed)}


def _meminfo(root: Path, name: str) -> int | None:
    found = re.search(rf"^{name}:\s+(\d+) kB$", text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _os_name() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return f"{platform.system()} {platform.release()}".strip() or None


def _cpu_seconds(root: Path) -> tuple[float | None, float | None]:
    """All CPUs together since the start: not idle; and wanted, but kept by the hypervisor."""
    line = (text(root / "proc/stat") or "").split("\n", 1)[0].split()
    if len(line) < 9 or line[0] != "cpu" or not all(word.isdecimal() for word in line[1:9]):
        return None, None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in line[1:9])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq + steal) / tick, steal / tick


def _load(root: Path) -> float | None:
    found = re.match(r"\d+\.\d+", text(root / "proc/loadavg") or "")
    return float(found[0]) if found else None


def _pressure(root: Path) -> tuple[float | None, int | None]:
    """The share of the last 10 s, and all microseconds, in which a task waited for a CPU."""
    found = re.search(
        r"^some avg10=(\d+\.\d+) .*total=(\d+)$",
        text(root / "proc/pressure/cpu") or "",
        re.MULTILINE,
    )
    return (float(found[1]), int(found[2])) if found else (None, None)


def _container(root: Path) -> str | None:
    """The kind of container; null: none was recognized, which proves nothing."""
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    told = text(root / "run/systemd/container")
    if told in {*_CONTAINERS, "systemd-nspawn"}:
        return told
    groups = text(root / "proc/1/cgroup") or ""
    return next((name for name in _CONTAINERS if name in groups), None)


def _power(root: Path) -> dict[str, Any]:
    """ "mains" or "battery", and how full; null on a machine that does not know of supplies.

    Batteries of a mouse or a keyboard are none of the machine.
    """
    plugged: list[bool] = []
    draining, percent = None, None
    for supply in sorted((root / "sys/class/power_supply").glob("*")):
        kind = text(supply / "type")
        if kind == "Battery" and text(supply / "scope") != "Device":
            status = text(supply / "status")
            if status in {"Charging", "Discharging", "Full", "Not charging"}:
                draining = bool(draining) or status == "Discharging"
            percent = number(supply / "capacity") if percent is None else percent
        elif kind in {"Mains", "USB"} and (online := number(supply / "online")) is not None:
            plugged.append(online != 0)
    source = None
    if draining:
        source = "battery"
    elif draining is False or any(plugged):
        source = "mains"
    elif plugged and percent is not None:
        source = "battery"
    return {"power_source": source, "battery_percent": percent}
