"""Power rails that a Jetson's INA sensors measure, and which of them make up the whole board."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scunext_edge.benchmarks.passport.sources import monitors, number, text

# Which rails are added for a board, by a word of its name. Where one rail feeds the others, it
# stands alone: adding would count twice.
_TOTALS = {
    "AGX Orin": ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    "Orin Nano": ("VDD_IN",),
    "Orin NX": ("VDD_IN",),
    "Thor": ("VIN",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rail:
    """One reading; a sensor that tells power itself may not tell what it is made of."""

    name: str
    millivolts: int | None
    milliamperes: int | None
    milliwatts: float | None


def read_rails(root: Path) -> list[Rail]:
    """Every rail with a name, as it is now."""
    found = []
    for chip, folder in monitors(root):
        if chip == "ina3221":
            found += _three_channels(folder)
        elif chip == "ina238":
            found.append(_one_channel(folder))
    return [rail for rail in found if rail is not None]


def total_of(board: str | None, names: set[str]) -> tuple[str, ...] | None:
    """The rails whose sum is the board; null for a board or rails that are not known."""
    for word, rails in _TOTALS.items():
        if board is not None and word in board:
            return rails if set(rails) <= names else None
    return None


def _three_channels(folder: Path) -> list[Rail | None]:
    """Inputs above 3 are sums and shunt voltages of the same channels."""
    return [
        _rail(
            text(folder / f"in{channel}_label"),
            number(folder / f"in{channel}_input"),
            number(folder / f"curr{channel}_input"),
            None,
        )
        for channel in (1, 2, 3)
    ]


def _one_channel(folder: Path) -> Rail | None:
    """A Jetson Thor has one such sensor, at its input; without a label it is that."""
    label = next(
        (it for name in ("power1_label", "in1_label", "label") if (it := text(folder / name))),
        "VIN",
    )
    power_uw = number(folder / "power1_input")
    return _rail(label, number(folder / "in1_input"), number(folder / "curr1_input"), power_uw)


def _rail(name: str | None, mv: int | None, ma: int | None, power_uw: int | None) -> Rail | None:
    """``mv`` and ``ma`` are multiplied only where the sensor does not tell their product."""
    if name is None or name == "NC":
        return None
    mw = None if power_uw is None else power_uw / 1000
    if mw is None and mv is not None and ma is not None:
        mw = mv * ma / 1000
    return None if mw is None else Rail(name=name, millivolts=mv, milliamperes=ma, milliwatts=mw)
