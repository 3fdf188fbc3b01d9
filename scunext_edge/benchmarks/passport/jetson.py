"""What decides how fast a Jetson is: release, power mode, pinned clocks, fan, rails, heat."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks.passport import processor, tegrastats
from scunext_edge.benchmarks.passport.rails import read_rails, total_of
from scunext_edge.benchmarks.passport.sources import Ask, degrees, monitors, number, text

# NVIDIA's releases of L4T and the JetPack that each belongs to.
_JETPACK = {
    "36.4.7": "6.2.1",
    "36.5.0": "6.2.2",
    "38.4.0": "7.1",
    "39.2.0": "7.2",
    "39.2.1": "7.2.1",
}
_JETPACK_SERIES = {"38.2": "7.0"}
_GPU = re.compile(r"gpu|gv11b|gp10b|gm20b|ga10b", re.IGNORECASE)
_FANS = {"pwmfan", "pwm-fan", "pwm_fan"}
_TACHOMETERS = {"pwm_tach", "pwm-tach", "tachometer", "generic_pwm_tachometer"}


def identity(root: Path) -> dict[str, Any]:
    """Release of L4T and of JetPack; null on anything else."""
    l4t = _l4t(root)
    series = ".".join((l4t or "").split(".")[:2])
    jetpack = _JETPACK.get(l4t or "") or _JETPACK_SERIES.get(series)
    return {"l4t": l4t, "jetpack": jetpack}


def state(root: Path, ask: Ask) -> dict[str, Any] | None:
    """Null on anything but a Jetson; what needs rights that we lack is null within."""
    board = text(root / "proc/device-tree/model")
    if _l4t(root) is None and "Jetson" not in (board or ""):
        return None
    rails = read_rails(root)
    name, number_ = power_mode(root, ask)
    total = total_of(board, {rail.name for rail in rails})
    return {
        "power_mode": name,
        "power_mode_id": number_,
        "clocks": clocks(root),
        "gpu_clock_hz": _gpu_clocks(root),
        "emc_clock_hz": number(root / "sys/kernel/debug/bpmp/debug/clk/emc/rate"),
        "fan_pwm": _fan(root, _FANS, "pwm1"),
        "fan_rpm": _rpm(root),
        "rails": [asdict(rail) for rail in rails] or None,
        "total_of_rails": None if total is None else list(total),
        "alarms": _alarms(root),
        "temperatures_c": _temperatures(root),
        "tegrastats": tegrastats.parse(
            ask("tegrastats", "--interval", "1000", first_line=True),
        ),
    }


def power_mode(root: Path, ask: Ask) -> tuple[str | None, int | None]:
    """The mode that nvpmodel set: name and number.

    Its own answer first; where it does not answer, its status file tells the number, and its
    configuration the name.
    """
    found = re.search(r"NV Power Mode\s*:\s*(\S+)\s+(\d+)\s*$", ask("nvpmodel", "-q") or "")
    if found:
        return found[1], int(found[2])
    status = re.search(r"pmode:\s*(\d+)", text(root / "var/lib/nvpmodel/status") or "")
    if status is None:
        return None, None
    chosen = int(status[1])
    modes = re.findall(
        r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>",
        text(root / "etc/nvpmodel.conf") or "",
        re.MULTILINE,
    )
    names = {int(each): name for each, name in modes}
    return names.get(chosen), chosen


def clocks(root: Path) -> str | None:
    """ "pinned" where the lowest clock is the highest for CPU and GPU, as jetson_clocks does it.

    Pinned to the highest clock of the power mode, which is why both must be told.
    """
    policies = processor.clock_policies(root)
    gpu = _gpu_clocks(root)
    if policies is None or gpu is None:
        return None
    limits = [(each["limit_min_khz"], each["limit_max_khz"]) for each in policies]
    limits += [(each["min"], each["max"]) for each in gpu]
    if any(None in pair for pair in limits):
        return None
    return "pinned" if all(least == most for least, most in limits) else "not pinned"


def _l4t(root: Path) -> str | None:
    """NVIDIA's release for Jetson, e.g. "36.4.7"."""
    told = text(root / "etc/nv_tegra_release") or ""
    found = re.search(r"R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)", told)
    return f"{found[1]}.{found[2]}" if found else None


def _gpu_clocks(root: Path) -> list[dict[str, Any]] | None:
    """Lowest, current and highest clock of every frequency domain of the GPU, in Hz."""
    found = [
        {key: number(folder / f"{key}_freq") for key in ("min", "cur", "max")}
        for folder in sorted((root / "sys/class/devfreq").glob("*"))
        if _GPU.search(folder.name)
    ]
    return found or None


def _fan(root: Path, names: set[str], file: str) -> int | None:
    values = (number(folder / file) for name, folder in monitors(root) if name in names)
    return next((value for value in values if value is not None), None)


def _rpm(root: Path) -> int | None:
    for file in ("rpm", "fan1_input"):
        value = _fan(root, _TACHOMETERS | _FANS, file)
        if value is not None:
            return value
    return None


def _alarms(root: Path) -> list[str] | None:
    """Alarms that are raised now (too much current, too low a voltage); null without any."""
    states = {
        f"{name} {path.name.removesuffix('_alarm')}": number(path)
        for name, folder in monitors(root)
        for path in sorted(folder.glob("*_alarm"))
    }
    known = {name: state for name, state in states.items() if state is not None}
    return [name for name, state in known.items() if state] if known else None


def _temperatures(root: Path) -> dict[str, float] | None:
    """Every zone of the chip, "tj" (its hottest place) among them."""
    found = {
        name.removesuffix("-thermal"): value
        for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*"))
        if (name := text(zone / "type")) and (value := degrees(zone / "temp")) is not None
    }
    return found or None
