"""One pass over the training images, one over the validation images, and which epoch is best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from scunext_edge import metrics
from scunext_edge.errors import ConfigError
from scunext_edge.models.contract import Deployable
from scunext_edge.spec import ModelSpec
from scunext_edge.training.batches import Packed, batches, steps_per_epoch
from scunext_edge.training.log import Epoch
from scunext_edge.training.step import Learner, take_step


def learned(
    learner: Learner,
    packed: Packed,
    epoch: int,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
) -> float:
    """Take every step of one epoch, counted from 0; returns the mean loss of all processes."""
    recipe, fabric = learner.recipe, learner.fabric
    steps = steps_per_epoch(packed, recipe, ranks=fabric.world_size)
    taken = batches(packed, recipe, epoch=epoch, rank=fabric.global_rank, ranks=fabric.world_size)
    learner.module.train()
    losses = []
    for index, (images, truth) in enumerate(taken):
        number, total = epoch * steps + index, recipe.epochs * steps
        losses.append(take_step(learner, images, truth, number=number, total=total))
        on_step(index + 1, steps)
    loss = float(fabric.all_reduce(torch.stack(losses).mean(), reduce_op="mean"))
    if not math.isfinite(loss):
        raise ConfigError(
            f"training diverged: the loss of epoch {epoch + 1} is {loss}",
            hint="start anew with --precision fp32 or another --seed",
        )
    return loss


def validated(network: nn.Module, val: Packed, *, batch: int = 8) -> tuple[float, float]:
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


def best_of(history: Sequence[Epoch]) -> Epoch:
    """The epoch whose weights are kept: the first of highest validation Dice."""
    return max(history, key=lambda epoch: epoch.val_dice)
