"""What machine this is, and in what state. Unknown is null; nothing here names its user.

``machine`` is what does not change between two runs, ``conditions`` is what does. Neither is ever
called while time is taken: reading sensors disturbs what is measured.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

_ROOT = Path("/")
# Instructions that decide how fast a convolution can be, by the kernel's names for them.
_ISA = re.compile(
    r"^(avx2|avx512f|avx512_vnni|avx_vnni|avx512_bf16|avx512_fp16|amx_\w+"
    r"|asimd|asimddp|asimdhp|i8mm|bf16|sve|sve2)$"
)
_CPU = Path("sys/devices/system/cpu")
# Sensors that read the processor itself. Others (battery, wireless) would be a guess.
_CPU_SENSORS = {
    *("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "CPU-therm", "tj-thermal"),
    *("soc-thermal", "soc_thermal"),
}


def machine(root: Path = _ROOT) -> dict[str, Any]:
    """The hardware and the system, read below ``root``. Asks a GPU driver only if there is one."""
    info = _cpuinfo(root)
    frequency = _CPU / "cpu0/cpufreq"
    return {
        "cpu_model": _cpu_model(info),
        "isa": sorted(flag for flag in _flags(info) if _ISA.match(flag)),
        "architecture": platform.machine() or None,
        "cores_logical": os.cpu_count(),
        "cores_physical": _physical_cores(root),
        "cpu_limit_cores": _cpu_limit(root),
        "memory_bytes": _meminfo(root, "MemTotal"),
        "memory_limit_bytes": _memory_limit(root),
        "os": _os_name(),
        "kernel": platform.release() or None,
        "python": platform.python_version(),
        "governor": _text(root / frequency / "scaling_governor"),
        "turbo": _turbo(root),
        "clock_min_khz": _number(root / frequency / "cpuinfo_min_freq"),
        "clock_max_khz": _number(root / frequency / "cpuinfo_max_freq"),
        "board": _text(root / "proc/device-tree/model"),
        "l4t": _l4t(root),
        **_gpu(),
    }


def conditions(root: Path = _ROOT) -> dict[str, Any]:
    """The state right now: load, clock, temperature, memory, and what this process has used."""
    used = os.times()
    return {
        "monotonic_s": time.monotonic(),
        "cpu_busy_s": _busy_seconds(root),
        "own_cpu_s": used.user + used.system,
        "load_1min": _load(root),
        "clock_khz": _clocks(root),
        "temperature_c": _temperature(root),
        "memory_available_bytes": _meminfo(root, "MemAvailable"),
        "cpus_allowed": _allowed_cpus(),
    }


def _text(path: Path) -> str | None:
    """Stripped content; device-tree strings end in a zero byte."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip(" \n\t\0") or None
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor's fields, by lower-case name."""
    block = (_text(root / "proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _cpu_model(info: dict[str, str]) -> str | None:
    """The name, or on Arm, which has none there, who designed it and which part it is."""
    if "model name" in info:
        return info["model name"]
    if "cpu part" in info:
        return f"implementer {info.get('cpu implementer', '?')} part {info['cpu part']}"
    return None


def _flags(info: dict[str, str]) -> list[str]:
    return (info.get("flags") or info.get("features") or "").split()


def _physical_cores(root: Path) -> int | None:
    cores = set()
    for topology in (root / _CPU).glob("cpu[0-9]*/topology"):
        package = _number(topology / "physical_package_id")
        core = _number(topology / "core_id")
        if package is None or core is None:
            return None
        cores.add((package, core))
    return len(cores) or None


def _cpu_limit(root: Path) -> float | str | None:
    """Cores that a container may use; "unlimited" where it says so."""
    unified = (_text(root / "sys/fs/cgroup/cpu.max") or "").split()
    if len(unified) == 2:
        return "unlimited" if unified[0] == "max" else int(unified[0]) / int(unified[1])
    quota = _number(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period = _number(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota is None or not period:
        return None
    return "unlimited" if quota < 0 else quota / period


def _memory_limit(root: Path) -> int | str | None:
    text = _text(root / "sys/fs/cgroup/memory.max")
    if text == "max":
        return "unlimited"
    limit = _number(root / "sys/fs/cgroup/memory.max")
    if limit is None:
        limit = _number(root / "sys/fs/cgroup/memory/memory.limit_in_bytes")
    # The older interface writes "no limit" as the largest multiple of a page.
    return "unlimited" if limit is not None and limit > 1 << 60 else limit


def _meminfo(root: Path, name: str) -> int | None:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _os_name() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return f"{platform.system()} {platform.release()}".strip() or None


def _turbo(root: Path) -> bool | None:
    disabled = _number(root / _CPU / "intel_pstate/no_turbo")
    if disabled is not None:
        return disabled == 0
    boost = _number(root / _CPU / "cpufreq/boost")
    return None if boost is None else boost == 1


def _l4t(root: Path) -> str | None:
    """NVIDIA's release for Jetson, e.g. "36.4.7"."""
    text = _text(root / "etc/nv_tegra_release") or ""
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text)
    return f"{found[1]}.{found[2]}" if found else None


def _gpu() -> dict[str, str | None]:
    """Name and driver of the first GPU, as its own tool tells them."""
    nothing: dict[str, str | None] = {"gpu_name": None, "gpu_driver": None}
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return nothing
    question = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            question, capture_output=True, text=True, timeout=20, check=True, encoding="utf-8"
        )
    except (OSError, subprocess.SubprocessError):
        return nothing
    first = next(iter(answer.stdout.splitlines()), "").split(", ")
    return {"gpu_name": first[0], "gpu_driver": first[1]} if len(first) == 2 else nothing


def _busy_seconds(root: Path) -> float | None:
    """Seconds that all CPUs together were not idle since the machine started."""
    line = (_text(root / "proc/stat") or "").split("\n", 1)[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in line[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _load(root: Path) -> float | None:
    words = (_text(root / "proc/loadavg") or "").split()
    return float(words[0]) if words else None


def _clocks(root: Path) -> list[int] | None:
    """The current clock of every CPU that tells it."""
    paths = sorted((root / _CPU).glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
    clocks = [clock for path in paths if (clock := _number(path)) is not None]
    return clocks or None


def _temperature(root: Path) -> float | None:
    """The hottest sensor of the processor, in degrees Celsius."""
    found = []
    for zone in (root / "sys/class/thermal").glob("thermal_zone*"):
        value = _number(zone / "temp")
        # A switched-off rail of a Jetson reads -256 degrees.
        if _text(zone / "type") in _CPU_SENSORS and value is not None and value > -200_000:
            found.append(value / 1000)
    return max(found) if found else None


def _allowed_cpus() -> int | None:
    """How many CPUs this process may run on."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    return len(os.sched_getaffinity(0))
