"""Time and memory of training steps in this process: ours in two precisions, a plain one, none.

The plain step is what a first version would do: contiguous float32 in eager mode. Loss, optimizer,
clipping, averaging and data are the same. The least that a step can take is measured in the same
process, so that both meet the same machine. Nothing is summarized here.
"""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scunext_edge import isolate
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.models import registry
from scunext_edge.spec import ModelSpec
from scunext_edge.training.batches import Packed, batches, pack
from scunext_edge.training.limit import least, operations, rates_of, settle
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
    device = torch.device(job["accelerator"])
    before = _peak_bytes(device)
    precision = "fp32" if job["kind"] == "fp32" else "bf16"
    recipe = preset("fast", size=job["size"], batch=job["batch"], precision=precision)
    lesions = SyntheticLesions(4 * recipe.batch, size=(recipe.size, recipe.size))
    endless, step = _endless(pack(lesions, recipe.size), recipe), _step(job, recipe)
    warmup = _timed(endless, step, job["warmup"], device)
    values = _timed(endless, step, job["steps"], device)
    after = _peak_bytes(device)
    return {
        "warmup_step_ns": warmup.step_ns,
        "loader_ns": values.loader_ns,
        "step_ns": values.step_ns,
        "memory_bytes": None if before is None or after is None else after - before,
        "least": _least(step, next(endless), device) if step else None,
        "threads_ran": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _peak_bytes(device: torch.device) -> int | None:
    """The most that was held at a time: by torch on a GPU, else by this process; null: unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    for line in status.splitlines():  # not every kernel, or sandbox of one, tells it
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return None


def _least(step: Step, batch: tuple[Tensor, Tensor], device: torch.device) -> dict[str, Any]:
    """What a step does, how fast this device could be, and what follows."""
    found, rates = operations(lambda: step(*batch)), rates_of(device)
    return {
        "operations": len(found),
        "flops": sum(it.flops for it in found),
        "moved_bytes": sum(it.moved_bytes for it in found),
        "flops_per_s": dict(rates.flops_per_s),
        "bytes_per_s": {str(size): rate for size, rate in rates.bytes_per_s.items()},
        **asdict(least(found, rates)),
    }


def _endless(packed: Packed, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in count():
        yield from batches(packed, recipe, epoch=epoch)


def _timed(
    endless: Iterator[tuple[Tensor, Tensor]], step: Step | None, steps: int, device: torch.device
) -> Times:
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
            settle(device)
            times.step_ns.append(time.perf_counter_ns() - loaded)
    gc.enable()
    return times


def _step(job: dict[str, Any], recipe: Recipe) -> Step | None:
    kinds = {"plain": _plain, "fp32": _ours, "bf16": _ours}
    make = kinds.get(job["kind"])
    return make(job["model"], recipe, job["accelerator"]) if make else None


def _ours(model: str, recipe: Recipe, accelerator: str = "cpu") -> Step:
    learner, numbers = new_learner(model, recipe, accelerator=accelerator), count(TOTAL // 2)
    learner.module.train()

    def step(images: Tensor, truth: Tensor) -> Tensor:
        return take_step(learner, images, truth, number=next(numbers), total=TOTAL)

    return step


def _plain(model: str, recipe: Recipe, accelerator: str = "cpu") -> Step:
    torch.manual_seed(recipe.seed)
    network = registry.build(model).train().to(accelerator)
    spec, numbers = ModelSpec(size=recipe.size), count()
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    mean, std = (torch.tensor(each, device=accelerator) for each in (spec.mean, spec.std))

    def step(images: Tensor, truth: Tensor) -> Tensor:
        images, truth = images.to(accelerator), truth.to(accelerator)
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
