"""One line of tegrastats, in every form that releases of JetPack print."""

from __future__ import annotations

import re
from typing import Any

# "NAME 5139mW/5139mW/5139mW" or, older, "NAME 5139/5139": now, then averages. "RAM 1/2MB", which
# looks like the older form, ends in its unit.
_POWER = re.compile(r"\b([A-Z][A-Z0-9_]*) (\d+)(?:mW)?/\d+(?:mW)?(?:/\d+(?:mW)?)?(?=\s|$)")
# "tj@41.468C", or with an average or maximum behind a slash
_TEMPERATURE = re.compile(r"\b([A-Za-z][\w-]*)@(-?\d+(?:\.\d+)?)C\b")
_MEMORY = re.compile(r"\bRAM (\d+)/(\d+)MB")
_SWAP = re.compile(r"\bSWAP (\d+)/(\d+)MB")
_CPU = re.compile(r"\bCPU \[([^\]]*)\](?:@(\d+))?")
_GPU = re.compile(r"\bGR3D_FREQ (?:(\d+)%)?(?:@(?:\[([^\]]*)\]|(\d+)))?")
_EMC = re.compile(r"\bEMC_FREQ (?:(\d+)%)?(?:@(\d+))?")
_COLDEST = -200.0  # a rail that is switched off reads -256


def parse(line: str | None) -> dict[str, Any] | None:
    """What the line says; null where it says nothing, or where there is no line.

    Memory in megabytes (2^20 bytes), clocks in MHz, power in mW, temperatures in degrees Celsius.
    A CPU that is switched off has null for both its load and its clock.
    """
    if not line:
        return None
    loads, clocks = _cpus(line)
    gpu_load, gpu_clocks = _gpu(line)
    emc = _EMC.search(line)
    found = {
        **_of(_MEMORY.search(line), "ram_used_mib", "ram_total_mib"),
        **_of(_SWAP.search(line), "swap_used_mib", "swap_total_mib"),
        "cpu_load_percent": loads,
        "cpu_clock_mhz": clocks,
        "gpu_load_percent": gpu_load,
        "gpu_clock_mhz": gpu_clocks,
        **_of(emc, "emc_load_percent", "emc_clock_mhz"),
        "power_mw": {name: int(now) for name, now in _POWER.findall(line)} or None,
        "temperatures_c": {
            name: float(value)
            for name, value in _TEMPERATURE.findall(line)
            if float(value) > _COLDEST
        }
        or None,
    }
    return found if any(value is not None for value in found.values()) else None


def _of(found: re.Match[str] | None, *names: str) -> dict[str, int | None]:
    words = found.groups() if found else (None,) * len(names)
    return {
        name: None if word is None else int(word) for name, word in zip(names, words, strict=True)
    }


def _cpus(line: str) -> tuple[list[int | None] | None, list[int | None] | None]:
    """Per CPU: "12%@1420", "off", or "12%" with one clock for all behind the bracket."""
    found = _CPU.search(line)
    if found is None:
        return None, None
    loads: list[int | None] = []
    clocks: list[int | None] = []
    for entry in found[1].split(","):
        parts = re.fullmatch(r"\s*(\d+)%(?:@(\d+))?\s*", entry)
        clock = (parts[2] or found[2]) if parts else None
        loads.append(int(parts[1]) if parts else None)
        clocks.append(int(clock) if clock else None)
    return loads, clocks


def _gpu(line: str) -> tuple[int | None, list[int | None] | None]:
    """Load, and a clock for each cluster: "0%@1300", "0%@[1300,1300]", "@[1000,1000,1000]"."""
    found = _GPU.search(line)
    if found is None:
        return None, None
    listed = found[2] if found[2] is not None else found[3]
    clocks = [int(it) if it.strip().isdecimal() else None for it in (listed or "").split(",")]
    return (int(found[1]) if found[1] else None), (clocks if listed else None)
