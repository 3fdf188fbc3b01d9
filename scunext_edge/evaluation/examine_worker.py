"""The child's side of self-consistency and census: both need the model open on its engine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scunext_edge import isolate
from scunext_edge.artifacts import load
from scunext_edge.data.preprocess import to_network
from scunext_edge.data.source import Source
from scunext_edge.evaluation.consistency import examine
from scunext_edge.runtime.registry import open_runner

IMAGES = 4


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Ask the questions of :mod:`consistency`, then what ran in which precision."""
    artifact = load(Path(job["artifact"]))
    dataset = Source.from_json(job["source"]).open()
    size = artifact.spec.size
    images = np.stack([to_network(dataset[index].image_hwc, size) for index in range(IMAGES)])
    opened = partial(
        open_runner, artifact, job["backend"], device=job["device"], threads=job["threads"]
    )
    checks = examine(opened, images, precision=artifact.card.precision)
    runner = opened()
    census = runner.census()
    runner.close()
    return {
        "checks": [check.to_json() for check in checks],
        "census": census.to_json() if census else None,
    }


if __name__ == "__main__":
    isolate.serve(work)
