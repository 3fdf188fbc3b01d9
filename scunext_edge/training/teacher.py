"""Distillation: trained networks whose mean probabilities another learns as well as the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scunext_edge.artifacts import Artifact, load
from scunext_edge.errors import ConfigError
from scunext_edge.models.checkpoint import load_network
from scunext_edge.training.recipe import Recipe


class Teacher(nn.Module):
    """Frozen networks with their contracts, as one."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks).requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Teacher:
        """Layers behave as in evaluation, whatever is asked for."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """[N, H, W, 3] in 0..255 to the mean probability, float32 [N, 1, H, W]."""
        found = [torch.sigmoid(network(image).float()) for network in self.networks]
        return torch.stack(found).mean(0)


def open_teacher(
    folders: Sequence[Path], recipe: Recipe, data: Mapping[str, Any]
) -> tuple[Teacher | None, list[Artifact]]:
    """What ``recipe`` and ``data`` (the account of a run) allow to learn from.

    A teacher that has met images which will be scored tells their masks on. So it has to have been
    trained on the very images that its student is, and its epoch chosen by the same ones: the card
    says which, by their hashes, of its training and of its tuning where it was tuned.
    """
    if bool(folders) != (recipe.distil > 0):
        raise ConfigError(
            "distillation needs a teacher and a weight: "
            + (f"distil is {recipe.distil}" if folders else "there is no teacher"),
            hint="give both, the setting distil above 0 and a teacher, or neither",
        )
    artifacts = [load(folder) for folder in folders]
    for artifact in artifacts:
        _check(artifact, recipe, data)
    if not artifacts:
        return None, []
    teacher = Teacher([load_network(artifact) for artifact in artifacts])
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return teacher, artifacts


def _check(artifact: Artifact, recipe: Recipe, data: Mapping[str, Any]) -> None:
    details = artifact.card.details
    for account in ("training", "tuning") if "tuning" in details else ("training",):
        told = (details.get(account) or {}).get("data") or {}
        for name, did in (("train_hash", "was trained on"), ("val_hash", "was chosen by")):
            seen, mine = told.get(name), data.get(name)
            if seen is None or seen != mine:
                raise ConfigError(
                    f"the teacher {artifact.directory} {did} other images than these ({account}: "
                    f"{seen or 'its card does not say which'}, not {mine}): it may know those that "
                    "will be scored",
                    hint="train the teacher on the same parts of the same data",
                )
    if artifact.spec.size != recipe.size:
        raise ConfigError(
            f"the teacher {artifact.directory} takes {artifact.spec.size} pixels, "
            f"not {recipe.size}",
            hint="train both at the same size",
        )
