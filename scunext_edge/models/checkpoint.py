"""Networks as safetensors artifacts: save and load. Nothing here unpickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scunext_edge.artifacts import Artifact, Card, load, new_artifact
from scunext_edge.errors import ArtifactError, StorageError
from scunext_edge.models import registry
from scunext_edge.models.contract import Deployable
from scunext_edge.spec import ModelSpec

WEIGHTS = "weights.safetensors"


def save_network(
    network: nn.Module,
    directory: Path,
    *,
    model: str,
    spec: ModelSpec,
    options: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> Artifact:
    """Write a network of the registry (not yet wrapped in its contract) as an artifact."""
    card = Card(
        model=model,
        options=dict(options or {}),
        format="safetensors",
        precision="fp32",
        spec=spec,
        details=dict(details or {}),
    )
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with new_artifact(directory, card) as folder:
        write_tensors(folder / WEIGHTS, state)
    return load(directory)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write safetensors; a disk that is full is a ``StorageError``, as for every other file."""
    try:
        save_file(dict(tensors), path, metadata=dict(metadata) if metadata else None)
    except safetensors.SafetensorError as error:
        raise StorageError(
            f"cannot write {path}: {error}",
            hint="choose a folder that can be written to, with enough free space",
        ) from error


def load_network(artifact: Artifact) -> Deployable:
    """The network with its contract, float32, in eval mode, on the CPU."""
    if artifact.card.format != "safetensors":
        raise ArtifactError(
            f"{artifact.directory} is a {artifact.card.format} artifact, not a checkpoint",
            hint="give the directory that `scunext-edge train` wrote",
        )
    network = registry.build(artifact.card.model, **artifact.card.options)
    path = artifact.file(".safetensors")
    try:
        network.load_state_dict(load_file(path))
    except (safetensors.SafetensorError, RuntimeError, OSError) as error:
        raise ArtifactError(
            f"{path} does not hold the weights of {artifact.card.model}: {error}",
            hint="it is cut short, or was written for another version of the network",
        ) from error
    return Deployable(network, artifact.spec).eval()


def random_network(model: str, directory: Path, *, size: int, seed: int = 0) -> Artifact:
    """An untrained network with seeded weights, for latency and complexity alone."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = registry.build(model)
    note = {"training": None, "note": f"random weights, seed {seed}: latency and complexity only"}
    return save_network(network, directory, model=model, spec=ModelSpec(size=size), details=note)
