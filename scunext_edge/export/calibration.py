"""The images that set the ranges of an INT8 model, and what the card says about them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from scunext_edge.data.calibration import Screening, manifest
from scunext_edge.data.datasets import Dataset
from scunext_edge.data.preprocess import to_network
from scunext_edge.errors import ConfigError
from scunext_edge.spec import Array


def calibration_inputs(dataset: Dataset, size: int) -> Iterator[dict[str, Array]]:
    """One input per image: ``image``, uint8 [1, size, size, 3]."""
    for index in range(len(dataset)):
        yield {"image": to_network(dataset[index].image_hwc, size)[None]}


def described(
    dataset: Dataset, method: str, screening: Screening | None
) -> tuple[dict[str, Any], bytes]:
    """For the card, which images set the ranges; and the manifest that proves it, as a file.

    Raises ``ConfigError`` if there are none.
    """
    if not len(dataset):
        raise ConfigError(
            f"the calibration set {dataset.name} is empty",
            hint="`scunext-edge data split` draws one from the training images; 64 are enough",
        )
    ids = list(dataset.ids)
    content = manifest(dataset, method=method, screening=screening)
    facts = {
        "dataset": dataset.name,
        "hash": dataset.hash,
        "count": len(ids),
        "method": method,
        "ids": ids,
        "ids_sha256": ids_hash(ids),
        "strata": content["strata"],
        "screening": content["screening"],
    }
    return facts, (json.dumps(content, indent=1) + "\n").encode()


def ids_hash(ids: Sequence[str]) -> str:
    """SHA-256 over the ids, which shows whether a list in a card was altered."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()
