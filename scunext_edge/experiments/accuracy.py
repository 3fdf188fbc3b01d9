"""What a report needs of a results file: the accuracy of each network, and how it was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scunext_edge.errors import ConfigError
from scunext_edge.experiments.analysis import RowFound, analyse
from scunext_edge.experiments.parts import all_cuts, parts_of, spread_over
from scunext_edge.experiments.results import load_results

# Of an arm: whatever is set besides name and network makes it another network than its name says.
_CHANGES = ("options", "recipe", "preset", "teacher")


def accuracy_of(path: Path) -> dict[str, Any]:
    """The rows that are a network as it is, with at least one training; plain data.

    Raises ``ArtifactError`` where the file holds no experiment, and ``ConfigError`` where none of
    its rows is such a network, or where its splits are of two kinds and so have no mean.
    """
    found = load_results(path)
    terms = found.terms
    if len(parts := parts_of(found)) > 1:
        raise ConfigError(
            f"{path} has several tables: {', '.join(part.title for part in parts)}",
            hint="give the results file of an experiment with one kind of splits, as table1 has",
        )
    plain = {
        arm["name"]
        for arm in terms["arms"]
        if arm["name"] == arm["model"] and not any(arm.get(name) for name in _CHANGES)
    }
    rows = [row for row in analyse(found).rows if row.arm in plain and row.trials]
    if not rows:
        raise ConfigError(
            f"{path} holds no training of a network as it is",
            hint="give the results file of an experiment whose rows are networks, as table1 has",
        )
    protocol = terms["protocol"]
    return {
        "file": path.name,
        "experiment": terms["experiment"],
        "protocol": protocol["name"],
        "label": protocol["label"],
        "reduced": bool(protocol["reduced"]),
        "size": protocol["size"],
        "data": dict(terms["data"]),
        "splits": len(all_cuts(terms)),
        "over": spread_over(terms),
        "rows": [_row(row) for row in rows],
    }


def _row(row: RowFound) -> dict[str, Any]:
    dice, iou = row.scores["dice"], row.scores["iou"]
    return {
        "model": row.arm,
        "trainings": row.trials,
        "dice": dice.mean,
        "dice_sd": dice.sd,
        "iou": iou.mean,
        "iou_sd": iou.sd,
    }
