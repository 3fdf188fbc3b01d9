"""Mean Dice of several artifacts at the network's own size: quick, for ranking alone.

Images are decoded and resized once for all of them. What a user gets is scored at the size of the
picture, by :mod:`scunext_edge.evaluation.worker`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scunext_edge import isolate
from scunext_edge.artifacts import load
from scunext_edge.data.preprocess import mask_to_network, to_network
from scunext_edge.data.source import Source
from scunext_edge.metrics import score
from scunext_edge.runtime.registry import open_runner
from scunext_edge.runtime.runner import infer


def work(job: dict[str, Any]) -> list[float]:
    """One mean for each of ``artifacts``, over the images named in ``ids``."""
    artifacts = [load(Path(path)) for path in job["artifacts"]]
    dataset = Source.from_json(job["source"]).open().subset(job["ids"])
    size = artifacts[0].spec.size
    images, masks = [], []
    for index in range(len(dataset)):
        sample = dataset[index]
        images.append(to_network(sample.image_hwc, size))
        masks.append(mask_to_network(sample.mask_hw, size))
    means = []
    for artifact in artifacts:
        runner = open_runner(artifact, job["backend"], device=job["device"], threads=job["threads"])
        found = [infer(runner, {"image": image[None]})["logits"][0, 0] > 0 for image in images]
        runner.close()
        dice = [score(mask, truth).dice for mask, truth in zip(found, masks, strict=True)]
        means.append(float(np.mean(dice)))
    return means


if __name__ == "__main__":
    isolate.serve(work)
