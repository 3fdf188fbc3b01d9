"""What a run needs to go on exactly: weights, their average, the optimizer. As safetensors."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.storage import new_file
from scunext_edge.training.recipe import Recipe

FILE = "state.safetensors"
# 1: first form
SCHEMA = 1


def save_state(
    path: Path,
    *,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    epoch: int,
) -> None:
    """Write everything after ``epoch`` (counted from 1), atomically."""
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in average.state_dict().items()}
    for index, parts in optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{index}.{key}": torch.as_tensor(part) for key, part in parts.items()
        }
    note = {"schema": SCHEMA, "epoch": epoch, "recipe": asdict(recipe)}
    with new_file(path) as temporary:
        owned = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        save_file(owned, temporary, metadata={"state": json.dumps(note)})


def load_state(
    path: Path,
    *,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
) -> int:
    """Restore what :func:`save_state` wrote; returns the number of finished epochs."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            note = json.loads(file.metadata()["state"])
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist", hint="start without --resume") from error
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}", hint="it is cut short") from error
    if note.get("schema") != SCHEMA:
        raise ArtifactError(f"{path} has schema {note.get('schema')!r}, not {SCHEMA}")
    _check_same(note["recipe"], recipe)
    network.load_state_dict(_below(tensors, "network."))
    average.load_state_dict(_below(tensors, "average."))
    _load_optimizer(optimizer, _below(tensors, "optimizer."))
    return int(note["epoch"])


def _check_same(stored: dict[str, object], recipe: Recipe) -> None:
    now = asdict(recipe)
    changed = [
        f"{key}: {stored.get(key)} then, {now[key]} now"
        for key in now
        if stored.get(key) != now[key]
    ]
    if changed:
        raise ConfigError(
            f"the run was started with another recipe ({'; '.join(changed)})",
            hint="resume with the same settings, or start a new run in another folder",
        )


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: value for k, value in tensors.items() if k.startswith(prefix)}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
