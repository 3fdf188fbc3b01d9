"""The child's side of golden masks: what one form on one engine finds in images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.artifacts import load
from scunext_edge.data.images import read_image, write_mask
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import open_runner


def work(job: dict[str, Any]) -> list[float]:
    """Write ``masks/NAME`` for each image in ``images``; the answer is the share of lesion."""
    artifact = load(Path(job["artifact"]))
    runner = open_runner(artifact, job["backend"], device=job["device"], threads=job["threads"])
    predictor = Predictor(runner)
    areas = []
    for path in map(Path, job["images"]):
        found = predictor.predict(read_image(path))
        write_mask(Path(job["masks"]) / path.name, found.mask)
        areas.append(found.area_fraction)
    runner.close()
    return areas


if __name__ == "__main__":
    isolate.serve(work)
