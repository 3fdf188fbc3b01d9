"""One training step, and what it moves. The run and its benchmark take the same one."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightning_fabric
import numpy as np
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.nn import functional

from scunext_edge.errors import BackendUnavailable
from scunext_edge.models import registry
from scunext_edge.models.contract import Deployable
from scunext_edge.spec import ModelSpec
from scunext_edge.training.fake_quantization import FakeQuantized
from scunext_edge.training.losses import joint_loss
from scunext_edge.training.recipe import Recipe
from scunext_edge.training.restoring import WithRestorer, hide, restored, restoring_loss
from scunext_edge.training.schedule import edge_weight, is_halved, phase, rate
from scunext_edge.training.sides import WithHeads, side_logits
from scunext_edge.training.teacher import Teacher

LARGEST_GRADIENT = 1.0  # norm; larger ones are scaled down


@dataclass(slots=True, kw_only=True)
class Learner:
    """A network under training, with all that a step moves."""

    recipe: Recipe
    fabric: lightning_fabric.Fabric
    network: Deployable
    module: nn.Module  # the network as Fabric wraps it (precision, DDP)
    average: nn.Module  # the network whose weights follow; without its contract
    optimizer: Any
    teacher: Teacher | None = None

    @property
    def trained(self) -> nn.Module:
        """What is to be saved: the average, without what only training needs."""
        found = self.average
        while isinstance(found, (FakeQuantized, WithHeads, WithRestorer)):
            found = found.network
        return found


def new_fabric(recipe: Recipe, *, accelerator: str, devices: int) -> lightning_fabric.Fabric:
    """What was asked for, or ``BackendUnavailable``. Starts nothing yet."""
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    try:
        return lightning_fabric.Fabric(
            accelerator=accelerator,
            devices=devices,
            precision="bf16-mixed" if recipe.precision == "bf16" else "32-true",
        )
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise BackendUnavailable(
            f"cannot train on {devices} x {accelerator}: {error}", hint="--accelerator cpu"
        ) from error


def new_learner(
    model: str,
    recipe: Recipe,
    *,
    options: Mapping[str, Any] | None = None,
    begin: Callable[[nn.Module], nn.Module] = lambda network: network,
    teacher: Teacher | None = None,
    accelerator: str = "cpu",
    devices: int = 1,
) -> Learner:
    """Start the processes, one per device, and build the network from the recipe's seed.

    ``begin`` gets that network and returns what is trained, for example with other weights.
    ``teacher`` is moved to the device; only the recipe says how much it counts.
    """
    fabric = new_fabric(recipe, accelerator=accelerator, devices=devices)
    threads = torch.get_num_threads()
    fabric.launch()
    torch.set_num_threads(threads)  # Fabric spreads all cores over the processes
    torch.manual_seed(recipe.seed)
    built = begin(registry.build(model, **(options or {})))
    if recipe.sides:
        built = WithHeads(built)
    if recipe.restore:
        built = WithRestorer(built)
    network = Deployable(built, ModelSpec(size=recipe.size))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    # fused=True reads memory in order, whatever the strides: wrong for a state that was loaded
    optimizer = kind(network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    average = copy.deepcopy(network.network).to(fabric.device).eval()
    module, wrapped = fabric.setup(network, optimizer)
    return Learner(
        recipe=recipe,
        fabric=fabric,
        network=network,
        module=module,
        average=average,
        optimizer=wrapped,
        teacher=teacher.to(fabric.device) if teacher else None,
    )


def take_step(
    learner: Learner, images: Tensor, truth: Tensor, *, number: int, total: int
) -> Tensor:
    """Learn from one batch; returns its loss, without a graph. ``number`` counts from 0.

    ``images``: float32 [B, H, W, 3] in 0..255; ``truth``: float32 [B, 1, H, W], 0 or 1.
    """
    recipe, fabric, optimizer = learner.recipe, learner.fabric, learner.optimizer
    restoring, number, total = phase(recipe, number, total)
    for group in optimizer.param_groups:
        group["lr"] = rate(recipe, number, total)
    images = images.to(fabric.device)
    if restoring:
        loss = _restoring(learner, images, number)
    else:
        loss = _segmenting(learner, images, truth.to(fabric.device), number, total)
    optimizer.zero_grad()
    fabric.backward(loss)
    fabric.clip_gradients(learner.module, optimizer, max_norm=LARGEST_GRADIENT)
    optimizer.step()
    follow(learner.average, learner.network.network, recipe.average, number)
    return loss.detach()


def _restoring(learner: Learner, images: Tensor, number: int) -> Tensor:
    fabric = learner.fabric
    rng = np.random.default_rng([learner.recipe.seed, number, fabric.global_rank])
    hidden, where = hide(images, rng)
    with side_logits(learner.network) as sides, restored(learner.network) as found:
        logits = learner.module(hidden)
    loss = restoring_loss(found[0], images, where)
    return loss + _nothing([logits, *sides])


def _segmenting(learner: Learner, images: Tensor, truth: Tensor, number: int, total: int) -> Tensor:
    recipe, fabric = learner.recipe, learner.fabric
    shown, halved = images, is_halved(recipe, number, total)
    if halved:
        shown, truth = half(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), half(truth)
    with side_logits(learner.network) as sides, restored(learner.network) as found:
        logits = learner.module(shown)
    taught = None
    if learner.teacher is not None:
        with fabric.autocast():
            taught = learner.teacher(images)
        taught = half(taught) if halved else taught
    loss = joint_loss(
        logits.float(),
        truth,
        edge_weight=edge_weight(recipe, number, total),
        sides=[side.float() for side in sides],
        deep=recipe.deep,
        missed=recipe.missed,
        focal=recipe.focal,
        taught=taught,
        distil=recipe.distil,
    )
    return loss + _nothing(found) if found else loss


def half(maps: Tensor) -> Tensor:
    """[N, C, H, W] to [N, C, H / 2, W / 2], each value a mean of four: a mask's edge is soft."""
    return functional.avg_pool2d(maps, 2)


def _nothing(unasked: Sequence[Tensor]) -> Tensor:
    """0 with a gradient of 0 for what this step does not ask of: DDP waits for all of them."""
    return 0 * sum((it.float().sum() for it in unasked), torch.zeros(()))


def follow(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards the current ones; decay 0 copies them."""
    keep = min(decay, (1 + step) / (10 + step))  # a young average forgets its random start
    with torch.no_grad():
        pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
        for mean, now in pairs:
            if mean.is_floating_point() and decay > 0:
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)
