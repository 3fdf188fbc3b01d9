"""The child's side of an evaluation: open a runner, predict every image, score it at its size."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.artifacts import load
from scunext_edge.data.images import write_mask
from scunext_edge.data.source import Source
from scunext_edge.metrics import score
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import backend_module, open_runner


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Score the images of a source, or those named in ``ids``; keep masks if ``masks`` is given."""
    artifact = load(Path(job["artifact"]))
    dataset = Source.from_json(job["source"]).open()
    if job["ids"] is not None:
        dataset = dataset.subset(job["ids"])
    runner = open_runner(artifact, job["backend"], device=job["device"], threads=job["threads"])
    predictor, scores = Predictor(runner), []
    for index in range(len(dataset)):
        sample = dataset[index]
        mask = predictor.predict(sample.image_hwc).mask
        scores.append({"id": sample.id, **asdict(score(mask, sample.mask_hw))})
        if job["masks"] is not None:
            write_mask(Path(job["masks"]) / f"{sample.id}.png", mask)
    runner.close()
    return {
        "subject": {
            "artifact_id": artifact.id,
            "model": artifact.card.model,
            "backend": job["backend"],
            "backend_version": backend_module(job["backend"]).offers()[0],
            "device": job["device"],
            "precision": artifact.card.precision,
            "quantizer": artifact.card.quantizer,
        },
        "dataset": {"name": dataset.name, "images": len(dataset), "hash": dataset.hash},
        "scores": scores,
    }


if __name__ == "__main__":
    isolate.serve(work)
