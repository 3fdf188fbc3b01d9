"""A training run as a user asks for it: check, read the data, train."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scunext_edge.artifacts import Artifact
from scunext_edge.models import registry
from scunext_edge.progress import Advance
from scunext_edge.training.log import Epoch
from scunext_edge.training.prepare import prepare
from scunext_edge.training.recipe import Recipe
from scunext_edge.training.step import new_fabric
from scunext_edge.training.train import Job, check_out, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where to train: Lightning Fabric's accelerator and number of devices; CPU threads."""

    accelerator: str = "cpu"
    devices: int = 1
    threads: int = 1


def _silent(what: str, done: int, of: int) -> None:
    """Progress that nobody looks at."""


def speaks() -> bool:
    """Whether this process reports to the user: the one they started, not its helpers in DDP."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


def start(
    model: str,
    *,
    recipe: Recipe,
    data: Path,
    out: Path,
    options: Mapping[str, Any],
    away_from: Path | None,
    resume: bool,
    machine: Machine,
    teachers: Sequence[Path] = (),
    advance: Advance = _silent,
) -> Artifact:
    """Train ``model`` on a data folder into ``out``; what can be wrong is found out first."""
    check_out(out, resume=resume)
    registry.build(model, **options)
    new_fabric(recipe, accelerator=machine.accelerator, devices=machine.devices)
    torch.set_num_threads(machine.threads)
    if not speaks():
        advance = _silent
    prepared = prepare(data, size=recipe.size, away_from=away_from, on_image=advance)
    job = Job(
        model=model,
        recipe=recipe,
        train=prepared.train,
        val=prepared.val,
        out=out,
        options=options,
        teachers=teachers,
        data=prepared.account,
        accelerator=machine.accelerator,
        devices=machine.devices,
    )

    def on_epoch(epoch: Epoch) -> None:
        advance("epochs", epoch.epoch, recipe.epochs)

    def on_step(step: int, steps: int) -> None:
        advance("epoch under way", step, steps)

    return train(job, resume=resume, on_step=on_step, on_epoch=on_epoch)
