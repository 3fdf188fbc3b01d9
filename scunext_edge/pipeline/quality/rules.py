"""From signals to limits, by one stated rule for all flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.pipeline.quality.collect import MIRRORED, Row, column
from scunext_edge.quality.flags import FLAGS, Rule

Numbers = npt.NDArray[np.float64]
_OF_THE_NETWORK = ("no_lesion", "unsure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What counts as harm, how much of it is to be caught, and how many alarms that may cost."""

    harm: float = 0.03  # mean loss of Dice from which a planted fault counts as harmful
    caught: float = 0.95  # share of the mildest harmful fault that is to be flagged
    alarms: float = 0.02  # share of pictures as they are that one flag may cost at most
    alarms_unseen: float = 0.005  # the same for pictures of other kinds: none is used here
    good: float = 0.7  # Dice of a mask that is worth keeping
    lost: float = 0.05  # share of those that the network's own doubt may cost


def set_limits(
    train: Sequence[Row], val: Sequence[Row], settings: Settings
) -> tuple[dict[str, float], dict[str, Any]]:
    """Limits by flag, and how each came about.

    A limit lies where it catches ``caught`` of the mildest harmful fault, but never where it would
    cost more than ``alarms`` of the pictures as they are. ``train`` are pictures as they are that
    the network was trained on: they count for signals of the picture alone.
    """
    limits: dict[str, float] = {}
    told: dict[str, Any] = {"settings": asdict(settings)}
    clean = [row for row in val if row.flag is None]
    for rule in FLAGS:
        seen = clean if rule.name in _OF_THE_NETWORK else [*train, *clean]
        alarms = settings.alarms
        if rule.name == "unsure":
            seen = [row for row in clean if (row.dice or 0.0) >= settings.good]
            alarms = settings.lost
        elif rule.name == "other_kind":
            alarms = settings.alarms_unseen
        level, positives = _mildest_harmful(rule.name, clean, val, settings)
        limit = limit_of(
            rule,
            column(seen, rule.signal),
            column(positives, rule.signal),
            alarms=alarms,
            caught=settings.caught,
        )
        limits[rule.name] = limit
        told[rule.name] = {
            "signal": rule.signal,
            "below": rule.below,
            "alarms_at_most": alarms,
            "of_pictures": len(seen),
            "mildest_harmful": level,
            "positives": len(positives),
        }
    return limits, told


def limit_of(
    rule: Rule, clean: Numbers, positives: Numbers, *, alarms: float, caught: float
) -> float:
    """The limit itself is fine: a flag is raised strictly beyond it."""
    sign = 1.0 if rule.below else -1.0
    cap = float(np.quantile(sign * clean, alarms, method="lower"))
    if not len(positives):
        return sign * cap
    wanted = float(np.quantile(sign * positives, caught, method="higher"))
    return sign * min(cap, float(np.nextafter(wanted, np.inf)))


def losses(clean: Sequence[Row], rows: Sequence[Row]) -> Numbers:
    """Dice of each picture as it is, minus that of the spoiled one."""
    before = {row.id: row.dice for row in clean}
    return np.array([(before[row.id] or 0.0) - (row.dice or 0.0) for row in rows])


def levels_of(flag: str, rows: Sequence[Row]) -> dict[tuple[str, float], list[Row]]:
    """The rows that a flag is for, by case and level, in their order."""
    found: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        if row.flag == flag:
            found.setdefault((row.case, row.level), []).append(row)
    return found


def _mildest_harmful(
    flag: str, clean: Sequence[Row], rows: Sequence[Row], settings: Settings
) -> tuple[float | None, list[Row]]:
    levels: Mapping[tuple[str, float], list[Row]] = levels_of(flag, rows)
    if flag == "no_lesion":
        return None, levels[MIRRORED, 0.0]
    for (_, level), at in levels.items():
        if losses(clean, at).mean() >= settings.harm:
            return level, at
    return None, []
