"""Quantization-aware fine-tuning: a trained network learns to live with its rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scunext_edge.artifacts import Artifact, left_out
from scunext_edge.models.checkpoint import load_network
from scunext_edge.models.contract import Deployable
from scunext_edge.progress import Advance
from scunext_edge.training import state
from scunext_edge.training.fake_quantization import FakeQuantized
from scunext_edge.training.folding import fold
from scunext_edge.training.log import Epoch
from scunext_edge.training.placement import Placed
from scunext_edge.training.prepare import prepare
from scunext_edge.training.recipe import Recipe, preset
from scunext_edge.training.train import Job, train

RATE = 2e-4  # of the preset's 1.5e-3: what was learned is to stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """``checkpoint`` is what was exported; ``placed`` says where its Q/DQ file quantizes.

    ``start``: what these follow from, for the card; a run goes on with the same or not at all.
    """

    checkpoint: Artifact
    placed: Sequence[Placed]
    size: int
    epochs: int
    out: Path
    start: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1


def recipe(epochs: int, size: int) -> Recipe:
    """That of training, with less to learn: float32, since codes are finer than bfloat16."""
    return preset("fast", epochs=epochs, size=size, lr=RATE, weight_decay=0.0, precision="fp32")


def network(tuning: Tuning) -> Deployable:
    """The checkpoint's network as its Q/DQ file computes, before any tuning."""
    loaded = load_network(tuning.checkpoint)
    return Deployable(_rounded(tuning, loaded.network), tuning.checkpoint.spec).eval()


def tune(
    tuning: Tuning,
    data: Path,
    *,
    advance: Advance = lambda what, done, of: None,
    on_epoch: Callable[[], None] = lambda: None,
) -> Artifact:
    """A checkpoint of the network with the best validation Dice while rounded.

    Trains on the part train of ``data``, without the images that its training left out, validates
    on val, and goes on after the last finished epoch of an earlier call. ``on_epoch`` is called
    when an epoch is stored, and may raise.
    """
    torch.set_num_threads(tuning.threads)
    details = tuning.checkpoint.card.details
    prepared = prepare(
        data, size=tuning.size, without=left_out(tuning.checkpoint.card), on_image=advance
    )
    asked = recipe(tuning.epochs, tuning.size)
    job = Job(
        model=tuning.checkpoint.card.model,
        options=tuning.checkpoint.card.options,
        recipe=asked,
        train=prepared.train,
        val=prepared.val,
        out=tuning.out,
        data=prepared.account,
        begin=lambda built: _begun(tuning, built),
        start=tuning.start,
        details={name: details[name] for name in ("training", "note") if name in details},
        account="tuning",
    )

    def after(epoch: Epoch) -> None:
        advance("epochs of tuning", epoch.epoch, asked.epochs)
        on_epoch()

    return train(
        job,
        resume=(tuning.out / state.FILE).exists(),
        on_step=lambda step, steps: advance("epoch under way", step, steps),
        on_epoch=after,
    )


def _begun(tuning: Tuning, built: nn.Module) -> FakeQuantized:
    built.load_state_dict(load_network(tuning.checkpoint).network.state_dict())
    return _rounded(tuning, built)


def _rounded(tuning: Tuning, loaded: nn.Module) -> FakeQuantized:
    return FakeQuantized(loaded, fold(loaded, tuning.placed))
