"""The processor: what it is, how fast it may run, how hot it is, and whether it was throttled."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks.passport.sources import degrees, monitors, number, ranges, text

CPU = Path("sys/devices/system/cpu")
# Instructions that decide how fast a convolution can be, by the kernel's names for them.
_ISA = re.compile(
    r"^(avx2|avx512f|avx512_vnni|avx_vnni|avx_vnni_int8|avx512_bf16|avx512_fp16"
    r"|amx_\w+|asimd|asimddp|asimdhp|i8mm|bf16|sve|sve2|svei8mm|sme|sme2)$"
)
# Sensors that read the processor itself. Others (battery, wireless, the case) would be a guess.
_ZONES = re.compile(r"cpu|^x86_pkg_temp$|^tj-thermal$|^soc[-_]thermal$", re.IGNORECASE)
_MONITORS = re.compile(r"^(coretemp|k10temp|zenpower)$|cpu", re.IGNORECASE)


def identity(root: Path) -> dict[str, Any]:
    """What does not change: model, instructions, cores, and the range of its clock."""
    blocks = _cpuinfo(root)
    flags = _flags(blocks)
    frequency = root / CPU / "cpu0/cpufreq"
    return {
        "cpu_model": _model(blocks),
        "isa": sorted(flag for flag in flags if _ISA.match(flag)),
        "cores_physical": len(_cores(root)) or None,
        "governor": text(frequency / "scaling_governor"),
        "turbo": _turbo(root),
        "clock_min_khz": number(frequency / "cpuinfo_min_freq"),
        "clock_max_khz": number(frequency / "cpuinfo_max_freq"),
        # Arm has no such flag: absence says something only where there are flags of x86.
        "hypervisor": "hypervisor" in flags if blocks and "flags" in blocks[0] else None,
    }


def state(root: Path) -> dict[str, Any]:
    """What does change: clocks and their limits, temperatures, counts of throttling."""
    temperatures = _temperatures(root)
    return {
        "clock_khz": _clocks(root),
        "clock_policies": clock_policies(root),
        "temperature_c": max(temperatures.values(), default=None),
        "temperatures_c": temperatures or None,
        "core_throttles": _throttles(root, "core_throttle_count", whole_package=False),
        "package_throttles": _throttles(root, "package_throttle_count", whole_package=True),
    }


def clock_policies(root: Path) -> list[dict[str, Any]] | None:
    """Governor and limits now, one entry per set of CPUs that have them in common."""
    alike: dict[tuple[Any, ...], set[int]] = defaultdict(set)
    for folder in (root / CPU).glob("cpu[0-9]*/cpufreq"):
        limits = (number(folder / f"scaling_{name}_freq") for name in ("min", "max"))
        key = (text(folder / "scaling_governor"), text(folder / "scaling_driver"), *limits)
        alike[key].add(int(folder.parent.name.removeprefix("cpu")))
    names = ("governor", "driver", "limit_min_khz", "limit_max_khz")
    found = [
        {"cpus": ranges(cpus), **dict(zip(names, key, strict=True))}
        for key, cpus in sorted(alike.items(), key=lambda item: min(item[1]))
    ]
    return found or None


def last_level_cache(root: Path = Path("/")) -> int | None:
    """Bytes of the first processor's last cache."""
    found = {}
    for index in (root / CPU / "cpu0/cache").glob("index[0-9]*"):
        level, size = number(index / "level"), text(index / "size")
        if level is not None and size is not None and re.fullmatch(r"\d+K", size):
            found[level] = int(size[:-1]) * 1024
    return found[max(found)] if found else None


def _cpuinfo(root: Path) -> list[dict[str, str]]:
    """One mapping per processor, names in lower case."""
    blocks = []
    for block in (text(root / "proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
        blocks.append({name.strip().lower(): value.strip() for name, value in pairs})
    return [block for block in blocks if block]


def _model(blocks: list[dict[str, str]]) -> str | None:
    """The name, or on Arm, which has none there, who designed its kinds of cores and which."""
    if blocks and "model name" in blocks[0]:
        return blocks[0]["model name"]
    kinds = {
        f"implementer {block.get('cpu implementer', '?')} part {block['cpu part']}": None
        for block in blocks
        if "cpu part" in block
    }
    return " + ".join(kinds) or None


def _flags(blocks: list[dict[str, str]]) -> list[str]:
    first = blocks[0] if blocks else {}
    return (first.get("flags") or first.get("features") or "").split()


def _place(root: Path, cpu: Path, *, whole_package: bool) -> tuple[int, ...] | None:
    """Which core, or which package, a logical CPU belongs to."""
    names = ("physical_package_id",) if whole_package else ("physical_package_id", "core_id")
    found = tuple(number(cpu / "topology" / name) for name in names)
    return None if None in found else tuple(it for it in found if it is not None)


def _cores(root: Path) -> set[tuple[int, ...]]:
    """Every physical core; none if one CPU does not tell."""
    places = [
        _place(root, folder.parent, whole_package=False)
        for folder in (root / CPU).glob("cpu[0-9]*/topology")
    ]
    return set() if None in places else {place for place in places if place is not None}


def _turbo(root: Path) -> bool | None:
    disabled = number(root / CPU / "intel_pstate/no_turbo")
    if disabled is not None:
        return disabled == 0
    boost = number(root / CPU / "cpufreq/boost")
    return None if boost is None else boost == 1


def _clocks(root: Path) -> list[int] | None:
    """The current clock of every CPU that tells it, in the order of their numbers."""
    paths = (root / CPU).glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    ordered = sorted(paths, key=lambda path: int(path.parts[-3].removeprefix("cpu")))
    return [clock for path in ordered if (clock := number(path)) is not None] or None


def _temperatures(root: Path) -> dict[str, float]:
    """Degrees Celsius by sensor; of sensors with one name the hottest."""
    found: dict[str, float] = {}
    for name, value in [*_zones(root), *_monitored(root)]:
        found[name] = max(value, found.get(name, value))
    return found


def _zones(root: Path) -> list[tuple[str, float]]:
    found = []
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        name, value = text(zone / "type"), degrees(zone / "temp")
        if name is not None and value is not None and _ZONES.search(name):
            found.append((name, value))
    return found


def _monitored(root: Path) -> list[tuple[str, float]]:
    """Not one core at a time: the package is as hot as its hottest core."""
    found = []
    for name, folder in monitors(root):
        if not _MONITORS.search(name):
            continue
        values = {}
        for path in sorted(folder.glob("temp*_input")):
            label = text(folder / path.name.replace("_input", "_label")) or ""
            value = degrees(path)
            if value is not None and not re.fullmatch(r"Core \d+", label):
                values[label] = value
        if "Tdie" in values:
            values.pop("Tctl", None)  # on some processors Tctl is Tdie plus an offset for the fan
        found += [(f"{name} {label}".strip(), value) for label, value in values.items()]
    return found


def _throttles(root: Path, name: str, *, whole_package: bool) -> int | None:
    """How often it was too hot since the start, summed; the CPUs of one core count as one."""
    counts: dict[Any, int] = {}
    for path in (root / CPU).glob(f"cpu[0-9]*/thermal_throttle/{name}"):
        cpu = path.parent.parent
        count = number(path)
        if count is not None:
            place = _place(root, cpu, whole_package=whole_package) or cpu.name
            counts[place] = max(count, counts.get(place, 0))
    return sum(counts.values()) if counts else None
