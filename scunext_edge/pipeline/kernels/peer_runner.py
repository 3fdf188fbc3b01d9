"""The engines that this package has a backend for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from scunext_edge import artifacts
from scunext_edge.pipeline.kernels.peer import Peer
from scunext_edge.runtime.registry import backend_module, open_runner
from scunext_edge.spec import Image


def open_peer(job: dict[str, Any], image: Image) -> Peer:
    """``compute`` of an engine; native computes ``score`` from the pixels as they were put."""
    artifact = artifacts.load(Path(job["file"]))
    if (job["engine"], job["precision"]) == ("openvino", "bf16"):
        # The FP32 file, whose arithmetic the engine is told to do in bf16
        artifact = replace(artifact, card=replace(artifact.card, precision="bf16"))
    isa = job["isa"] if job["engine"] == "native" else None
    runner = open_runner(
        artifact,
        job["engine"],
        device=f"cpu-{isa}" if isa else "cpu",
        threads=job["threads"],
    )
    runner.put({"image": image[None]})
    version, _ = backend_module(job["engine"]).offers()
    census = runner.census()
    facts = {"version": version, "ran": census.dominant if census else None}
    if job["engine"] == "native":
        facts["isa"] = isa
    return Peer(run=runner.execute, mask=lambda: runner.get()["logits"][0, 0] >= 0, facts=facts)
