"""How much less accurate one row is than another, over the images that both saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scunext_edge.evaluation.bootstrap import CONFIDENCE, resampled_means
from scunext_edge.evaluation.gate import DEFAULT_LIMITS
from scunext_edge.report import numbers
from scunext_edge.report.naming import reference_of
from scunext_edge.report.records import Run
from scunext_edge.results import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Mean Dice of one row minus that of another, paired; ``upper`` is what the gate would see.

    ``lower`` is the bound of the same confidence on the other side.
    """

    mean: float
    lower: float
    upper: float
    images: int


def loss(run: Run, row: Row, *, against: Row) -> Loss | None:
    """What ``row`` loses; null without scores of the same images."""
    theirs, ours = run.dice.get(against.key, {}), run.dice.get(row.key, {})
    if not ours or list(theirs) != list(ours):
        return None
    drop = np.array(list(theirs.values())) - np.array(list(ours.values()))
    sure = confidence(run)
    lower, upper = np.quantile(resampled_means(drop), [1 - sure, sure])
    return Loss(mean=float(drop.mean()), lower=float(lower), upper=float(upper), images=len(drop))


def most_accurate(rows: Sequence[Row]) -> Row | None:
    """The FP32 reference with the highest mean Dice."""
    scored = [(row.dice, -at) for at, row in enumerate(rows) if row.gate == "reference"]
    known = [(dice, at) for dice, at in scored if dice is not None]
    return rows[-max(known)[1]] if known else None


def dice_floor(row: Row, rows: Sequence[Row]) -> float | None:
    """Mean Dice of the row's reference, less the most that the row may have lost against it."""
    if row.gate == "reference":
        return row.dice
    reference = reference_of(row, rows)
    if reference is None or reference.dice is None or row.dice_drop_upper is None:
        return None
    return reference.dice - row.dice_drop_upper


def lost(row: Row) -> str | None:
    """``lost 0.0004, at most 0.0010``, of Dice against FP32; null: not compared with it."""
    if row.dice_drop is None or row.dice_drop_upper is None:
        return None
    mean, upper = (numbers.drop(abs(it)) for it in (row.dice_drop, row.dice_drop_upper))
    if row.dice_drop >= 0:
        return f"lost {mean}, at most {upper}"
    if row.dice_drop_upper < 0 and float(upper):
        return f"gained {mean}, at least {upper}"
    return f"gained {mean}, lost at most {upper}"


def limit(run: Run) -> float:
    """The loss of Dice that the gate lets pass; the default where it looked at something else."""
    limits = run.gate.get("limits") or {run.gate.get("metric"): run.gate.get("limit")}
    found = limits.get("dice")
    return float(DEFAULT_LIMITS["dice"] if found is None else found)


def confidence(run: Run) -> float:
    """Of the gate's bounds."""
    return float(run.gate.get("confidence", CONFIDENCE))
