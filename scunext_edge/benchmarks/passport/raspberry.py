"""A Raspberry Pi's own word on its supply and its heat."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks.passport.sources import Ask, text

# Bits of "throttled" as the firmware documents them; 16 above, the same since it was started.
_FLAGS = {
    0: "under-voltage",
    1: "ARM frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
_SINCE = 16
_FIRMWARE = Path("sys/devices/platform/soc/soc:firmware/get_throttled")


def state(root: Path, ask: Ask) -> dict[str, Any] | None:
    """Null on anything but a Raspberry Pi."""
    if "Raspberry Pi" not in (text(root / "proc/device-tree/model") or ""):
        return None
    bits = throttled(ask("vcgencmd", "get_throttled"))
    if bits is None:
        bits = throttled(text(root / _FIRMWARE))
    return {
        "throttled": bits,
        "now": None if bits is None else flags(bits),
        "since_start": None if bits is None else flags(bits >> _SINCE),
        "rails": rails(ask("vcgencmd", "pmic_read_adc")),
    }


def throttled(told: str | None) -> int | None:
    """The bits of "throttled=0x50005", or of the kernel's file, "50005"."""
    found = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]{1,8})", (told or "").strip())
    return int(found[1], 16) if found else None


def flags(bits: int) -> list[str]:
    """The lowest four bits in words."""
    return [word for bit, word in _FLAGS.items() if bits >> bit & 1]


def rails(told: str | None) -> list[dict[str, Any]] | None:
    """Rails of the power chip of a Pi 5 that tell both current and voltage.

    Lines are "VDD_CORE_A current(7)=1.23A" and "VDD_CORE_V volt(15)=0.87V". They are what lies
    behind the converters: their sum is less than what the board takes, so no total is made.
    """
    found: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    pattern = r"^\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=(\d+(?:\.\d+)?)[AV]\s*$"
    for name, kind, value in re.findall(pattern, told or "", re.MULTILINE):
        found[kind][name] = float(value)
    amperes, volts = found["A"], found["V"]
    pairs = [
        {
            "name": name,
            "millivolts": round(volts[name] * 1e3, 3),
            "milliamperes": round(current * 1e3, 3),
            "milliwatts": round(volts[name] * current * 1e3, 3),
        }
        for name, current in amperes.items()
        if name in volts
    ]
    return pairs or None
