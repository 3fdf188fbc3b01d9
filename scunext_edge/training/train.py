"""The training run: epochs of steps, a validation after each, best and last kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scunext_edge.artifacts import Artifact, load
from scunext_edge.errors import ConfigError
from scunext_edge.models.checkpoint import save_network
from scunext_edge.provenance import tool
from scunext_edge.spec import ModelSpec
from scunext_edge.training import state
from scunext_edge.training.batches import Packed
from scunext_edge.training.log import Epoch, draw_curves, read_log, write_log
from scunext_edge.training.passes import best_of, learned, validated
from scunext_edge.training.recipe import Recipe
from scunext_edge.training.step import Learner, new_learner
from scunext_edge.training.teacher import open_teacher


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to train, on what, and where to."""

    model: str
    recipe: Recipe
    train: Packed
    val: Packed
    out: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)  # name, hash, ...: for the card
    begin: Callable[[nn.Module], nn.Module] = lambda network: network  # see new_learner
    start: Mapping[str, Any] | None = None  # what it begins with, for the card; null: nothing
    details: Mapping[str, Any] = field(default_factory=dict)  # of the card, beside the account
    account: str = "training"  # name of the account on the card
    teachers: Sequence[Path] = ()  # artifacts to learn from, see teacher.open_teacher
    accelerator: str = "cpu"
    devices: int = 1


def train(
    job: Job,
    *,
    resume: bool = False,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Artifact:
    """Train and return the best checkpoint (``out/best``), by validation Dice.

    ``out`` gets ``best`` and ``last`` (safetensors artifacts), ``log.csv``, ``curves.svg`` and
    the state that ``resume`` continues from. Everything is written at the end of each epoch, so
    that an interruption costs at most the epoch under way.
    """
    check_out(job.out, resume=resume)
    teacher, artifacts = open_teacher(job.teachers, job.recipe, job.data)
    if artifacts:
        told = [{"model": each.card.model, "id": each.id} for each in artifacts]
        job = replace(job, start={**(job.start or {}), "teachers": told})
    learner = new_learner(
        job.model,
        job.recipe,
        options=job.options,
        begin=job.begin,
        teacher=teacher,
        accelerator=job.accelerator,
        devices=job.devices,
    )
    history = _resume(job, learner) if resume else []
    for epoch in range(len(history), job.recipe.epochs):
        started = time.perf_counter()
        loss = learned(learner, job.train, epoch, on_step)
        dice, iou = validated(learner.average, job.val)
        history.append(
            Epoch(
                epoch=epoch + 1,
                lr=learner.optimizer.param_groups[0]["lr"],
                loss=loss,
                val_dice=dice,
                val_iou=iou,
                seconds=time.perf_counter() - started,
            )
        )
        if learner.fabric.is_global_zero:
            _store(job, learner, history)
        learner.fabric.barrier()
        on_epoch(history[-1])
    return load(job.out / "best")


def check_out(out: Path, *, resume: bool) -> None:
    """Raise unless a run may write to ``out``: nobody's run is overwritten by accident."""
    held = (out / state.FILE).exists()
    if held and not resume:
        raise ConfigError(
            f"{out} holds a run already", hint="add --resume, or choose another --out"
        )
    if resume and not held:
        raise ConfigError(f"{out} holds no run to go on with", hint="start without --resume")


def _resume(job: Job, learner: Learner) -> list[Epoch]:
    done = state.load_state(job.out / state.FILE, learner=learner, subject=_subject(job))
    return read_log(job.out / "log.csv", until=done)


def _store(job: Job, learner: Learner, history: list[Epoch]) -> None:
    """Checkpoints, log, curves, state: in this order, so that the state is never ahead."""
    latest, best = history[-1], best_of(history)
    for name in ("last", "best") if best is latest else ("last",):
        save_network(
            learner.trained,
            job.out / name,
            model=job.model,
            spec=ModelSpec(size=job.recipe.size),
            options=job.options,
            details={**job.details, job.account: _account(job, latest)},
        )
    write_log(job.out / "log.csv", history)
    draw_curves(job.out / "curves.svg", history)
    state.save_state(
        job.out / state.FILE, learner=learner, subject=_subject(job), epoch=latest.epoch
    )


def _subject(job: Job) -> dict[str, Any]:
    """What a run is of, beside its recipe: it goes on with the same or not at all."""
    data = {name: job.data.get(f"{name}_hash") for name in ("train", "val")}
    return {"model": job.model, "options": dict(job.options), "start": job.start, **data}


def _account(job: Job, epoch: Epoch) -> dict[str, Any]:
    return {
        **({"start": dict(job.start)} if job.start else {}),
        "recipe": asdict(job.recipe),
        "data": dict(job.data),
        "epoch": epoch.epoch,
        "val_dice": epoch.val_dice,
        "val_iou": epoch.val_iou,
        "tool": tool(),
        "torch": torch.__version__,
    }
