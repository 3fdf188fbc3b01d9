"""From rows of images to the numbers of a record; every mean is over images, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.data.corruptions import BY_NAME, SEVERITIES
from scunext_edge.evaluation.bootstrap import CONFIDENCE, interval
from scunext_edge.evaluation.operating_worker import Row
from scunext_edge.evaluation.reliability import Reliability
from scunext_edge.pipeline.quality.rates import auc, wilson

Numbers = npt.NDArray[np.float64]
Picks = npt.NDArray[np.intp]  # images that were drawn

BAD = 0.7  # a Dice below it is a mask that would better not be used
# What a bad mask of eight views may be told by: low confidence, or views that differ. Measured
# against RIVAL, the confidence of the very mask that is judged.
RIVAL = "confidence_of_views"
SIGNALS: Mapping[str, str] = {
    "confidence_of_views": "confidence of the mean of eight views",
    "confidence": "confidence of one view",
    "deviation": "mean deviation over the picture",
    "deviation_by_area": "deviation over the area of the mask",
}
_RESAMPLES = 1000


def thresholds(rows: Sequence[Row]) -> dict[str, Any]:
    """Dice and IoU at 0.5 and at the chosen threshold, and the paired gain."""
    found: dict[str, Any] = {}
    for metric in ("dice", "iou"):
        half, chosen = np.array([row[metric] for row in rows]).T
        found[metric] = {
            "at_half": float(half.mean()),
            "at_chosen": float(chosen.mean()),
            "gain": asdict(interval(chosen - half)),
        }
    return found


def bins(rows: Sequence[Row]) -> dict[str, Any]:
    """All pixels of all pictures together; ECE and Brier score of each picture, averaged."""
    each = [_bins(row) for row in rows]
    total = reduce(add, each)
    return {
        "pixels": total.pixels.tolist(),
        "probability": [_share(*it) for it in zip(total.probability, total.pixels, strict=True)],
        "frequency": [_share(*it) for it in zip(total.lesion, total.pixels, strict=True)],
        "ece": total.ece,
        "brier": total.brier,
        "ece_of_a_picture": asdict(interval(np.array([it.ece for it in each]))),
        "brier_of_a_picture": asdict(interval(np.array([it.brier for it in each]))),
    }


def views(plain: Sequence[Row], rows: Sequence[Row]) -> dict[str, Any]:
    """What the mean of eight views gains, and whether their spread finds bad masks."""
    dice, before = _dice(rows), np.array([row["dice"][0] for row in plain])
    bad = dice < BAD
    doubts = _doubts(plain, rows)
    return {
        "views": 8,
        "dice": float(dice.mean()),
        "gain": asdict(interval(dice - before)),
        "dice_below": BAD,
        "bad": int(bad.sum()),
        "signals": [_signal(name, doubts, dice) for name in doubts],
    }


def _signal(name: str, doubts: Mapping[str, Numbers], dice: Numbers) -> dict[str, Any]:
    """How well one doubt tells bad masks from the others, and how much better than the rival."""
    doubt, bad, rival = doubts[name], dice < BAD, doubts[RIVAL]

    def gain(at: Picks) -> float | None:
        one, other = _auc(doubt[at], bad[at]), _auc(rival[at], bad[at])
        return None if one is None or other is None else one - other

    return {
        "name": name,
        "auc": _resampled(lambda at: _auc(doubt[at], bad[at]), len(dice)),
        "auc_gain": None if name == RIVAL else _resampled(gain, len(dice)),
        "spearman": _resampled(lambda at: spearman(-doubt[at], dice[at]), len(dice)),
    }


def corruptions(plain: Sequence[Row], faults: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """A line per fault and severity: Dice, what is lost, and what the flags would refuse."""
    before = np.array([row["dice"][0] for row in plain])
    lines = [_line("as it is", None, before, before, [row["flags"] for row in plain])]
    for name, rows in faults.items():
        for at, severity in enumerate(SEVERITIES):
            dice = np.array([row["dice"][at] for row in rows])
            flags = [row["flags"][at] for row in rows]
            lines.append(_line(name, severity, before, dice, flags))
    return lines


def columns(faults: Mapping[str, Sequence[Row]]) -> list[str]:
    """What stands in each line of ``lines``; a dice with "!" is one that the flags refuse."""
    head = ["id", "dice", "dice at chosen", "iou", "iou at chosen", "ece", "brier", "dice of views"]
    return [*head, *SIGNALS, *(f"{name} {it}" for name in faults for it in SEVERITIES)]


def lines(
    plain: Sequence[Row], rows: Sequence[Row], faults: Mapping[str, Sequence[Row]]
) -> list[str]:
    """A line per picture, tabs between: every mean can be computed again."""
    found = []
    for at, (one, eight) in enumerate(zip(plain, rows, strict=True)):
        own = _bins(one)
        cells = [
            _marked(one["dice"][0], one["flags"]),
            *(f"{it:.5g}" for it in (one["dice"][1], *one["iou"], own.ece, own.brier)),
            f"{eight['dice']:.5g}",
            *("" if it is None else f"{it:.5g}" for it in _signals(one, eight).values()),
        ]
        for of in faults.values():
            cells += map(_marked, of[at]["dice"], of[at]["flags"])
        found.append("\t".join([one["id"], *cells]))
    return found


def spearman(one: Numbers, other: Numbers) -> float | None:
    """The correlation of ranks, ties sharing theirs; None where either is constant."""
    x, y = _ranks(one), _ranks(other)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _line(
    name: str,
    severity: int | None,
    before: Numbers,
    dice: Numbers,
    flags: Sequence[Sequence[str] | None],
) -> dict[str, Any]:
    judged = flags[0] is not None
    refused = np.array([bool(it) for it in flags])
    return {
        "corruption": name,
        "severity": severity,
        "level": BY_NAME[name].levels[severity - 1] if severity else None,
        "dice": float(dice.mean()),
        "drop": asdict(interval(before - dice)),
        "refused": wilson(int(refused.sum()), len(refused)) if judged else None,
        "dice_kept": float(dice[~refused].mean()) if judged and not refused.all() else None,
    }


def _doubts(plain: Sequence[Row], rows: Sequence[Row]) -> dict[str, Numbers]:
    """Every signal, turned so that a higher one is a mask to doubt.

    An empty mask has no deviation by area. It is doubted most, as by its confidence, which is 0.
    """
    each = [_signals(one, eight) for one, eight in zip(plain, rows, strict=True)]
    found = {}
    for name in SIGNALS:
        values = [it[name] for it in each]
        if name.startswith("deviation"):
            found[name] = np.array([np.inf if it is None else it for it in values])
        elif None not in values:  # one view has a confidence only where a network has limits
            found[name] = -np.array(values, np.float64)
    return found


def _signals(one: Row, eight: Row) -> dict[str, float | None]:
    return {name: (one if name == "confidence" else eight)[name] for name in SIGNALS}


def _resampled(statistic: Callable[[Picks], float | None], count: int) -> dict[str, float] | None:
    """A statistic of ``count`` images, with its percentile interval where images are resampled."""
    whole = statistic(np.arange(count))
    if whole is None:
        return None
    rng = np.random.default_rng(0)
    drawn = [statistic(rng.integers(count, size=count)) for _ in range(_RESAMPLES)]
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile([it for it in drawn if it is not None], [outside, 1 - outside])
    return {"value": whole, "low": float(low), "high": float(high)}


def _auc(doubt: Numbers, bad: npt.NDArray[np.bool_]) -> float | None:
    return None if bad.all() or not bad.any() else auc(doubt, bad)


def _ranks(values: Numbers) -> Numbers:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


def _bins(row: Row) -> Reliability:
    return Reliability(
        pixels=np.array(row["pixels"]),
        probability=np.array(row["probability"]),
        lesion=np.array(row["lesion"]),
        squared_error=row["squared_error"],
    )


def _dice(rows: Sequence[Row]) -> Numbers:
    return np.array([row["dice"] for row in rows])


def _share(part: float, of: int) -> float | None:
    return float(part) / int(of) if of else None


def _marked(dice: float, flags: Sequence[str] | None) -> str:
    return f"{dice:.5g}" + ("!" if flags else "")
