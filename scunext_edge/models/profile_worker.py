"""The child's side of a profile, so that a benchmark itself stays free of torch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scunext_edge import isolate
from scunext_edge.errors import require

WORKER = "scunext_edge.models.profile_worker"


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Profile ``model`` with ``options`` at ``size``, with what the paper prints of it."""
    require("torch", "torch", needed_for="counting parameters and MACs")
    from scunext_edge.models.complexity import profile
    from scunext_edge.models.paper import SIZE, explained, printed

    counted = profile(job["model"], size=job["size"], options=job["options"])
    if job["size"] != SIZE or job["options"] not in ({}, {"skip": True, "fuse": True}):
        return {**asdict(counted), "paper": {}}
    params, flops = printed(job["model"])
    beside = {"paper_params": params, "paper_flops": flops, "note": explained(counted)}
    return {**asdict(counted), "paper": beside}


if __name__ == "__main__":
    isolate.serve(work)
