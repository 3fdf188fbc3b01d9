"""How long each row of a results file trained until a validation Dice that all of them reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from scunext_edge.experiments.results import Results
from scunext_edge.training.log import read_log


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPace:
    """One arm: means over splits of when it first had the Dice, and of its whole training.

    Seconds are of a clock on the wall, validations included; null where the row's trainings were
    made on more than one machine, or with other threads.
    """

    arm: str
    epochs: float
    seconds: float | None
    of_epochs: int
    of_seconds: float | None
    on: tuple[str, ...]  # machines, with threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """``dice``: by split, the best of the row whose best is least, so that every row reaches it.

    ``taught``: rows whose times leave out the training of their teachers.
    """

    dice: Mapping[str, float]
    rows: tuple[RowPace, ...]
    taught: tuple[str, ...] = ()


def curve_of(run: Path, *, epochs: int) -> dict[str, list[float]]:
    """What a finished run's log says of each epoch: validation Dice, and seconds."""
    log = read_log(run / "log.csv", until=epochs)
    return {
        "val_dice": [round(epoch.val_dice, 5) for epoch in log],
        "seconds": [round(epoch.seconds, 1) for epoch in log],
    }


def pace_of(found: Results) -> Pace | None:
    """From the splits in which every row has a training with its curve; null without any."""
    arms = [str(arm["name"]) for arm in found.terms["arms"]]
    trials = {(str(one["arm"]), str(one["cut"])): one for one in found.trials if one.get("curve")}
    cuts = sorted({cut for _, cut in trials})
    whole = [cut for cut in cuts if all((arm, cut) in trials for arm in arms)]
    if not whole:
        return None
    dice = {cut: min(max(trials[arm, cut]["curve"]["val_dice"]) for arm in arms) for cut in whole}
    rows = tuple(_row(arm, [(trials[arm, cut], dice[cut]) for cut in whole]) for arm in arms)
    taught = tuple(str(arm["name"]) for arm in found.terms["arms"] if arm.get("teacher"))
    return Pace(dice=dice, rows=rows, taught=taught)


def reached(curve: Mapping[str, Sequence[float]], dice: float) -> tuple[int, float] | None:
    """The first epoch, from 1, of at least this validation Dice, and seconds until its end."""
    for at, value in enumerate(curve["val_dice"]):
        if value >= dice:
            return at + 1, sum(curve["seconds"][: at + 1])
    return None


def _row(arm: str, trials: Sequence[tuple[Mapping[str, Any], float]]) -> RowPace:
    found = [at for trial, dice in trials if (at := reached(trial["curve"], dice))]
    on = tuple(sorted({_machine(trial) for trial, _ in trials}))
    alike = len(on) == 1
    return RowPace(
        arm=arm,
        epochs=mean(epoch for epoch, _ in found),
        seconds=mean(seconds for _, seconds in found) if alike else None,
        of_epochs=len(trials[0][0]["curve"]["val_dice"]),
        of_seconds=mean(sum(it["curve"]["seconds"]) for it, _ in trials) if alike else None,
        on=on,
    )


def _machine(trial: Mapping[str, Any]) -> str:
    machine = trial["machine"]
    if machine["accelerator"] != "cpu":
        return f"{trial['devices']} x {machine['gpu'] or machine['accelerator']}"
    threads = trial["threads"]
    return f"{machine['cpu']}, {threads} thread{'' if threads == 1 else 's'}"
