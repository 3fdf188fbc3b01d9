"""The child's side of an export: tracing and quantizing in a process that ends afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.artifacts import load
from scunext_edge.data.calibration import open_calibration
from scunext_edge.data.source import Source
from scunext_edge.errors import require
from scunext_edge.export.export import export

WORKER = "scunext_edge.export.worker"


def work(job: dict[str, Any]) -> None:
    """``parent`` to ``out``; or, without a parent, a network with seeded random weights."""
    out = Path(job["out"])
    if job["parent"] is None:
        require("torch", "torch", needed_for=f"building {job['model']}")
        from scunext_edge.models.checkpoint import random_network

        random_network(job["model"], out, size=job["size"])
        return
    images, screening = None, None
    if job["calibration"]:
        images, screening = open_calibration(Source.from_json(job["calibration"]))
    export(
        load(Path(job["parent"])),
        to=job["to"],
        precision=job["precision"],
        quantizer=job["quantizer"] or "qdq",
        size=job["size"],
        out=out,
        calibration=images,
        screening=screening,
    )


if __name__ == "__main__":
    isolate.serve(work)
