"""The child's side of a selftest: one rung of a bundle, on its engine, on this device.

It gives the golden masks, agrees with itself, and is quick enough; a crash ends this process alone.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from scunext_edge import isolate
from scunext_edge.artifacts import Artifact, load
from scunext_edge.benchmarks.measure import Plan, measure
from scunext_edge.data.images import read_image, read_mask
from scunext_edge.data.preprocess import to_network
from scunext_edge.deploy.bundle import GOLDEN_IMAGES, Rung, rung_from_json
from scunext_edge.deploy.engine import build
from scunext_edge.errors import ArtifactError
from scunext_edge.evaluation.consistency import Answer, examine
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import backend_module, open_runner
from scunext_edge.runtime.runner import Runner

# Enough to tell engines apart; a slow processor gets fewer values.
_PLANS = {
    "compute": Plan(region="compute", warmup=3, values=20, budget_s=2.0),
    "transfer": Plan(region="transfer", warmup=3, values=20, budget_s=2.0),
    "end_to_end": Plan(region="end_to_end", warmup=2, values=7, budget_s=4.0),
}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """All checks of one rung, and median times in ms. A file that was altered raises."""
    bundle, rung = Path(job["bundle"]), rung_from_json(job["rung"])
    artifact = _artifact(bundle, rung, Path(job["engines"]))
    images = [bundle / GOLDEN_IMAGES / name for name in job["golden"]]
    opened = partial(open_runner, artifact, rung.backend, device=rung.device, threads=rung.threads)
    runner = opened()
    checks = [_golden(runner, rung, images, bundle / rung.masks)]
    times = _times(runner, images[0])
    runner.close()
    size = artifact.spec.size
    inputs = np.stack([to_network(read_image(path), size) for path in images])
    checks += examine(opened, inputs, precision=artifact.card.precision)
    checks.append(_quick(times["end_to_end"], job["limit_ms"]))
    return {
        "checks": [check.to_json() for check in checks],
        "times_ms": times,
        "artifact_id": artifact.id,
        "version": backend_module(rung.backend).offers()[0],
    }


def _artifact(bundle: Path, rung: Rung, engines: Path) -> Artifact:
    artifact = load(bundle / rung.model)
    if artifact.id != rung.artifact_id:
        raise ArtifactError(f"{bundle / rung.model} is not the artifact {rung.artifact_id}")
    return build(artifact, engines / rung.name) if rung.is_built_on_device else artifact


def _golden(runner: Runner, rung: Rung, images: list[Path], masks: Path) -> Answer:
    predictor, worst, where = Predictor(runner), -1.0, ""
    for path in images:
        found, expected = predictor.predict(read_image(path)).mask, read_mask(masks / path.name)
        flipped = float((found != expected).mean()) if found.shape == expected.shape else 1.0
        if flipped > worst:
            worst, where = flipped, path.name
    return Answer(
        name="golden masks",
        passed=worst <= rung.most_flipped,
        message=f"{worst:.4%} of the pixels of {where} differ; {rung.most_flipped:.4%} may",
    )


def _times(runner: Runner, image: Path) -> dict[str, float]:
    """Medians in ms: of the network alone, with its copies, and from the file's bytes on."""
    encoded = image.read_bytes()
    inputs = {"image": to_network(read_image(encoded), runner.spec.size)[None]}
    return {
        name: median(measure(runner, inputs, plan, encoded=encoded).values_ns) / 1e6
        for name, plan in _PLANS.items()
    }


def _quick(end_to_end_ms: float, limit_ms: float) -> Answer:
    return Answer(
        name="time of an image",
        passed=end_to_end_ms <= limit_ms,
        message=f"{end_to_end_ms:.3g} ms from bytes to mask; {limit_ms:g} ms may pass",
    )


if __name__ == "__main__":
    isolate.serve(work)
