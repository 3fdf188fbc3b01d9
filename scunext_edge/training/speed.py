"""The time of training steps in this process: ours in both precisions, a plain one, no step.

The plain step is what a first version would do: contiguous float32 in eager mode. Loss, optimizer,
clipping, averaging and data are the same. Nothing is summarized here.
"""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from scunext_edge import isolate
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.models import registry
from scunext_edge.spec import ModelSpec
from scunext_edge.training.batches import Packed, batches, pack
from scunext_edge.training.losses import joint_loss
from scunext_edge.training.recipe import Recipe, preset
from scunext_edge.training.sides import side_logits
from scunext_edge.training.step import LARGEST_GRADIENT, follow, new_learner, take_step

TOTAL = 10_000  # steps of the imagined run; it is in its middle, with the edge term at full weight

Step = Callable[[Tensor, Tensor], Tensor]  # learn from images and truth; returns the loss


@dataclass(slots=True, kw_only=True)
class Times:
    """Nanoseconds of each batch: to make it, and to learn from it (none for the loader alone)."""

    loader_ns: list[int]
    step_ns: list[int]


def work(job: dict[str, Any]) -> dict[str, Any]:
    """``warmup`` and ``steps`` batches of one kind, after ``torch.set_num_threads``."""
    torch.set_num_threads(job["threads"])
    precision = "fp32" if job["kind"] == "fp32" else "bf16"
    recipe = preset("fast", size=job["size"], batch=job["batch"], precision=precision)
    lesions = SyntheticLesions(4 * recipe.batch, size=(recipe.size, recipe.size))
    endless, step = _endless(pack(lesions, recipe.size), recipe), _step(job, recipe)
    warmup = _timed(endless, step, job["warmup"])
    values = _timed(endless, step, job["steps"])
    return {
        "warmup_step_ns": warmup.step_ns,
        "loader_ns": values.loader_ns,
        "step_ns": values.step_ns,
        "threads_ran": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _endless(packed: Packed, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in count():
        yield from batches(packed, recipe, epoch=epoch)


def _timed(endless: Iterator[tuple[Tensor, Tensor]], step: Step | None, steps: int) -> Times:
    times = Times(loader_ns=[], step_ns=[])
    gc.collect()
    gc.disable()
    for _ in range(steps):
        started = time.perf_counter_ns()
        images, truth = next(endless)
        loaded = time.perf_counter_ns()
        times.loader_ns.append(loaded - started)
        if step is not None:
            step(images, truth)
            times.step_ns.append(time.perf_counter_ns() - loaded)
    gc.enable()
    return times


def _step(job: dict[str, Any], recipe: Recipe) -> Step | None:
    kinds = {"plain": _plain, "fp32": _ours, "bf16": _ours}
    return kinds[job["kind"]](job["model"], recipe) if job["kind"] in kinds else None


def _ours(model: str, recipe: Recipe) -> Step:
    learner, numbers = new_learner(model, recipe), count(TOTAL // 2)
    learner.module.train()

    def step(images: Tensor, truth: Tensor) -> Tensor:
        return take_step(learner, images, truth, number=next(numbers), total=TOTAL)

    return step


def _plain(model: str, recipe: Recipe) -> Step:
    torch.manual_seed(recipe.seed)
    network, spec, numbers = registry.build(model).train(), ModelSpec(size=recipe.size), count()
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)

    def step(images: Tensor, truth: Tensor) -> Tensor:
        pixels = ((images / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()
        with side_logits(network) as sides:
            logits = network(pixels)
        loss = joint_loss(logits, truth, edge_weight=recipe.edge, sides=sides, deep=recipe.deep)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        follow(average, network, recipe.average, TOTAL // 2 + next(numbers))
        return loss.detach()

    return step


if __name__ == "__main__":
    isolate.serve(work)
