"""How often the flags are wrong, and what is gained by leaving out what they flag."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.pipeline.quality.collect import Row, column
from scunext_edge.pipeline.quality.rules import levels_of, losses
from scunext_edge.quality.flags import FLAGS

Numbers = npt.NDArray[np.float64]
Z = 1.959963984540054  # 95 %, both sides
BAD = (0.5, 0.7)  # Dice
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
SIGNALS = tuple(rule.signal for rule in FLAGS)


def wilson(hits: int, of: int) -> dict[str, Any]:
    """A share with Wilson's interval at 95 % (JASA 1927)."""
    if not of:
        return {"hits": 0, "of": 0, "share": None, "low": None, "high": None}
    share, z2 = hits / of, Z * Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    low = 0.0 if hits == 0 else max(middle - half, 0.0)
    high = 1.0 if hits == of else min(middle + half, 1.0)
    return {"hits": hits, "of": of, "share": share, "low": low, "high": high}


def raised(row: Row, limits: Mapping[str, float]) -> set[str]:
    """The names of the flags of a row."""
    return {it.name for it in FLAGS if it.raised(row.values[it.signal], limits[it.name])}


def error_rates(rows: Sequence[Row], limits: Mapping[str, float]) -> dict[str, Any]:
    """False alarms, what each flag caught of its cases, and Dice of kept and of left out."""
    clean = [row for row in rows if row.flag is None]
    up = {id(row): raised(row, limits) for row in rows}
    return {
        "pictures": len(clean),
        "false_alarms": {
            rule.name: wilson(sum(rule.name in up[id(row)] for row in clean), len(clean))
            for rule in FLAGS
        },
        "caught": [
            _case(rule.name, case, level, at, clean, up)
            for rule in FLAGS
            for (case, level), at in levels_of(rule.name, rows).items()
        ],
        "kept": selection(
            np.array([row.dice for row in clean]), np.array([not up[id(row)] for row in clean])
        ),
        "curve": curve(
            np.array([row.dice for row in clean]), column(clean, "confidence"), COVERAGES
        ),
    }


def selection(dice: Numbers, kept: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """What leaving out some masks does for the rest."""
    found: dict[str, Any] = {
        "dice_all": float(dice.mean()),
        "dice_kept": float(dice[kept].mean()) if kept.any() else None,
        "dice_left_out": float(dice[~kept].mean()) if not kept.all() else None,
        "left_out": wilson(int((~kept).sum()), len(dice)),
        "bad": [],
    }
    for limit in BAD:
        bad = dice < limit
        found["bad"].append(
            {
                "dice_below": limit,
                "of_all": wilson(int(bad.sum()), len(dice)),
                "of_kept": wilson(int((bad & kept).sum()), int(kept.sum())),
                "of_left_out": wilson(int((bad & ~kept).sum()), int((~kept).sum())),
                "caught": wilson(int((bad & ~kept).sum()), int(bad.sum())),
                "good_lost": wilson(int((~bad & ~kept).sum()), int((~bad).sum())),
            }
        )
    return found


def curve(dice: Numbers, confidence: Numbers, coverages: Sequence[float]) -> list[dict[str, float]]:
    """Mean Dice of the masks that the network is surest of, beside the best choice possible."""
    surest, best = np.argsort(-confidence, kind="stable"), np.argsort(-dice, kind="stable")
    found = []
    for coverage in coverages:
        count = max(1, round(coverage * len(dice)))
        found.append(
            {
                "coverage": count / len(dice),
                "dice": float(dice[surest[:count]].mean()),
                "dice_at_best": float(dice[best[:count]].mean()),
            }
        )
    return found


def auc(scores: Numbers, positive: npt.NDArray[np.bool_]) -> float:
    """The chance that a positive scores above a negative; ties count half."""
    high, low = scores[positive][:, None], scores[~positive][None]
    return float(((high > low) + 0.5 * (high == low)).mean())


def predictors(fit: Sequence[Row], test: Sequence[Row], bad: float) -> dict[str, Any] | None:
    """Whether a logistic regression on all signals finds bad masks better than confidence alone.

    None where there is no bad mask, or no other, to fit on or to find.
    """
    y, truth = (np.array([(row.dice or 0.0) < bad for row in rows]) for rows in (fit, test))
    if any(it.all() or not it.any() for it in (y, truth)):
        return None
    x, seen = (np.stack([column(rows, it) for it in SIGNALS], axis=1) for rows in (fit, test))
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    weights = _logistic((x - mean) / spread, y)
    scores = np.c_[np.ones(len(seen)), (seen - mean) / spread] @ weights
    return {
        "dice_below": bad,
        "bad_to_fit_on": int(y.sum()),
        "fitted_on": len(y),
        "bad_to_find": int(truth.sum()),
        "auc_confidence": auc(-column(test, "confidence"), truth),
        "auc_logistic": auc(scores, truth),
        "weights": dict(zip(("constant", *SIGNALS), (float(it) for it in weights), strict=True)),
    }


def _logistic(x: Numbers, y: npt.NDArray[np.bool_], penalty: float = 1.0) -> Numbers:
    """Newton's method on the penalised likelihood; the constant is not penalised."""
    design = np.c_[np.ones(len(x)), x]
    ridge = penalty * np.diag([0.0, *np.ones(x.shape[1])])
    weights = np.zeros(design.shape[1])
    for _ in range(25):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (chance - y) + ridge @ weights
        bend = (design * (chance * (1 - chance))[:, None]).T @ design + ridge
        weights = weights - np.linalg.solve(bend + 1e-9 * np.eye(len(bend)), slope)
    return np.asarray(weights)


def _case(
    flag: str,
    case: str,
    level: float,
    rows: Sequence[Row],
    clean: Sequence[Row],
    up: Mapping[int, set[str]],
) -> dict[str, Any]:
    has_truth = all(row.dice is not None for row in rows)
    return {
        "flag": flag,
        "case": case,
        "level": level or None,
        "dice_lost": float(losses(clean, rows).mean()) if has_truth else None,
        "by_this_flag": wilson(sum(flag in up[id(row)] for row in rows), len(rows)),
        "by_any_flag": wilson(sum(bool(up[id(row)]) for row in rows), len(rows)),
    }
