"""What a run needs to go on exactly: weights, their average, the optimizer. As safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor

from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.models.checkpoint import write_tensors
from scunext_edge.storage import new_file
from scunext_edge.training.recipe import Recipe
from scunext_edge.training.step import Learner

FILE = "state.safetensors"
# 2: the note says what the run is of ("subject")
# 1: first form
SCHEMA = 2


def save_state(path: Path, *, learner: Learner, subject: Mapping[str, Any], epoch: int) -> None:
    """Write everything after ``epoch`` (counted from 1), atomically.

    ``subject`` says in JSON what the run is of; :func:`load_state` asks for the same.
    """
    tensors = {f"network.{key}": value for key, value in learner.network.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in learner.average.state_dict().items()}
    for index, parts in learner.optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{index}.{key}": torch.as_tensor(part) for key, part in parts.items()
        }
    note = {
        "schema": SCHEMA,
        "epoch": epoch,
        "recipe": asdict(learner.recipe),
        "subject": dict(subject),
    }
    with new_file(path) as temporary:
        owned = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        write_tensors(temporary, owned, metadata={"state": json.dumps(note)})


def load_state(path: Path, *, learner: Learner, subject: Mapping[str, Any]) -> int:
    """Restore what :func:`save_state` wrote; returns the number of finished epochs."""
    note, tensors = _read(path)
    _check_same("recipe", _completed(note["recipe"]), asdict(learner.recipe))
    if "subject" in note:
        _check_same("model or data", note["subject"], json.loads(json.dumps(dict(subject))))
    try:
        learner.network.load_state_dict(_below(tensors, "network."))
        learner.average.load_state_dict(_below(tensors, "average."))
        _load_optimizer(learner.optimizer, _below(tensors, "optimizer."))
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(f"{path} holds the state of another network: {error}") from error
    return int(note["epoch"])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safetensors.safe_open(path, "pt") as file:
            note = json.loads(file.metadata()["state"])
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist", hint="start without --resume") from error
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}",
            hint="it is damaged: start a new run in another folder; best and last are whole",
        ) from error
    if note.get("schema") not in (1, SCHEMA):
        raise ArtifactError(f"{path} has schema {note.get('schema')!r}; this version reads 1 and 2")
    return note, tensors


def _completed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """With the settings that are younger than the run; their defaults change nothing in it."""
    defaults = {it.name: it.default for it in fields(Recipe) if it.default is not MISSING}
    return {**defaults, **recipe}


def _check_same(what: str, stored: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [
        f"{key}: {stored.get(key)} then, {now[key]} now"
        for key in now
        if stored.get(key) != now[key]
    ]
    if changed:
        raise ConfigError(
            f"the run was started with another {what} ({'; '.join(changed)})",
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
