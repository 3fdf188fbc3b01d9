"""The training run: epochs of steps, a validation after each, best and last kept."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from scunext_edge import metrics
from scunext_edge.artifacts import Artifact, load
from scunext_edge.errors import BackendUnavailable, ConfigError
from scunext_edge.models import registry
from scunext_edge.models.checkpoint import save_network
from scunext_edge.models.contract import Deployable
from scunext_edge.provenance import tool
from scunext_edge.spec import ModelSpec
from scunext_edge.training import state
from scunext_edge.training.batches import Packed, batches, steps_per_epoch
from scunext_edge.training.log import Epoch, draw_curves, read_log, write_log
from scunext_edge.training.losses import joint_loss
from scunext_edge.training.recipe import Recipe

LARGEST_GRADIENT = 1.0  # norm; larger ones are scaled down


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
    accelerator: str = "cpu"
    devices: int = 1


@dataclass(slots=True)
class _Run:
    """The moving parts."""

    fabric: lightning_fabric.Fabric
    network: Deployable
    module: nn.Module  # the network as Fabric wraps it (DDP)
    average: nn.Module
    optimizer: Any
    history: list[Epoch]


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
    run = _start(job)
    done = _resume(job, run) if resume else 0
    steps = steps_per_epoch(job.train, job.recipe, ranks=run.fabric.world_size)
    for epoch in range(done, job.recipe.epochs):
        started = time.perf_counter()
        loss = _one_epoch(job, run, epoch, steps, on_step)
        dice, iou = _validate(run.average, job.val)
        run.history.append(
            Epoch(
                epoch=epoch + 1,
                lr=run.optimizer.param_groups[0]["lr"],
                loss=loss,
                val_dice=dice,
                val_iou=iou,
                seconds=time.perf_counter() - started,
            )
        )
        if run.fabric.is_global_zero:
            _store(job, run)
        run.fabric.barrier()
        on_epoch(run.history[-1])
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


def _start(job: Job) -> _Run:
    recipe = job.recipe
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    try:
        fabric = lightning_fabric.Fabric(
            accelerator=job.accelerator,
            devices=job.devices,
            precision="bf16-mixed" if recipe.precision == "bf16" else "32-true",
        )
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise BackendUnavailable(
            f"cannot train on {job.devices} x {job.accelerator}: {error}", hint="--accelerator cpu"
        ) from error
    fabric.launch()
    torch.manual_seed(recipe.seed)
    network = Deployable(registry.build(job.model, **job.options), ModelSpec(size=recipe.size))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    optimizer = kind(network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    average = copy.deepcopy(network.network).to(fabric.device).eval()
    module, wrapped = fabric.setup(network, optimizer)
    return _Run(
        fabric=fabric,
        network=network,
        module=module,
        average=average,
        optimizer=wrapped,
        history=[],
    )


def _resume(job: Job, run: _Run) -> int:
    done = state.load_state(
        job.out / state.FILE,
        network=run.network,
        average=run.average,
        optimizer=run.optimizer,
        recipe=job.recipe,
    )
    run.history.extend(read_log(job.out / "log.csv", until=done))
    return done


def _one_epoch(
    job: Job, run: _Run, epoch: int, steps: int, on_step: Callable[[int, int], None]
) -> float:
    """The mean loss of one pass over the training data."""
    recipe, fabric = job.recipe, run.fabric
    run.module.train()
    losses = []
    taken = batches(
        job.train, recipe, epoch=epoch, rank=fabric.global_rank, ranks=fabric.world_size
    )
    for index, (images, truth) in enumerate(taken):
        step, total = epoch * steps + index, recipe.epochs * steps
        for group in run.optimizer.param_groups:
            group["lr"] = recipe.rate(step, total)
        logits = run.module(images.to(fabric.device))
        edge_weight = recipe.edge_weight(step, total)
        loss = joint_loss(logits.float(), truth.to(fabric.device), edge_weight=edge_weight)
        run.optimizer.zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(run.module, run.optimizer, max_norm=LARGEST_GRADIENT)
        run.optimizer.step()
        _follow(run, recipe.average, step)
        losses.append(loss.detach())
        on_step(index + 1, steps)
    return float(torch.stack(losses).mean())


def _follow(run: _Run, decay: float, step: int) -> None:
    """Move the averaged weights towards the current ones; decay 0 copies them."""
    keep = min(decay, (1 + step) / (10 + step))  # a young average forgets its random start
    with torch.no_grad():
        pairs = zip(
            run.average.state_dict().values(),
            run.network.network.state_dict().values(),
            strict=True,
        )
        for mean, now in pairs:
            if mean.is_floating_point() and decay > 0:
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)


def _validate(network: nn.Module, val: Packed, *, batch: int = 8) -> tuple[float, float]:
    """Mean Dice and IoU per image, at the network's size, in float32."""
    device = next(network.parameters()).device
    whole = Deployable(network, ModelSpec(size=val.images.shape[1])).to(device).eval()
    scores = []
    with torch.inference_mode():
        for start in range(0, len(val), batch):
            logits = whole(val.images[start : start + batch].to(device))
            found = (logits[:, 0] > 0).cpu().numpy()
            real = val.masks[start : start + batch].numpy().astype(bool)
            scores += [metrics.score(*pair) for pair in zip(found, real, strict=True)]
    return (
        float(np.mean([score.dice for score in scores])),
        float(np.mean([score.iou for score in scores])),
    )


def _store(job: Job, run: _Run) -> None:
    """Checkpoints, log, curves, state: in this order, so that the state is never ahead."""
    history = run.history
    best = max(history, key=lambda epoch: epoch.val_dice)
    for name, epoch in (("last", history[-1]), ("best", best)):
        if epoch is history[-1]:
            save_network(
                run.average,
                job.out / name,
                model=job.model,
                spec=ModelSpec(size=job.recipe.size),
                options=job.options,
                details={"training": _account(job, epoch)},
            )
    write_log(job.out / "log.csv", history)
    draw_curves(job.out / "curves.svg", history)
    state.save_state(
        job.out / state.FILE,
        network=run.network,
        average=run.average,
        optimizer=run.optimizer,
        recipe=job.recipe,
        epoch=len(history),
    )


def _account(job: Job, epoch: Epoch) -> dict[str, Any]:
    return {
        "recipe": asdict(job.recipe),
        "data": dict(job.data),
        "epoch": epoch.epoch,
        "val_dice": epoch.val_dice,
        "val_iou": epoch.val_iou,
        "tool": tool(),
        "torch": torch.__version__,
    }
