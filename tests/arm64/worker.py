"""Run artifacts on one engine and keep their logits; the same file on x86-64 and on arm64.

``python worker.py JOB.json``: {"images": [path, shape], "library": folder or null, "artifact",
"backend", "out"}. The answer is a line of JSON on stdout.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import numpy as np

from scunext_edge.artifacts import load
from scunext_edge.errors import ScunextEdgeError
from scunext_edge.kernels import native
from scunext_edge.runtime.registry import backend_module, open_runner
from scunext_edge.runtime.runner import infer


def main():
    """Do one job."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    path, shape = job["images"]
    images = np.fromfile(path, np.uint8).reshape(shape)
    if job["library"]:
        native.package.__path__ = [job["library"], *native.package.__path__]
    try:
        answer = run(job, images)
    except ScunextEdgeError as error:
        answer = {"error": str(error)}
    print(json.dumps({"machine": platform.machine(), **answer}), flush=True)  # noqa: T201


def run(asked, images):
    """Logits of all images, one by one, to a file; which engine it was and what it ran."""
    runner = open_runner(load(Path(asked["artifact"])), asked["backend"])
    logits = [infer(runner, {"image": image[None]})["logits"][0, 0] for image in images]
    np.stack(logits).astype(np.float32).tofile(asked["out"])
    census = runner.census()
    return {
        "version": backend_module(asked["backend"]).offers()[0],
        "shares": dict(census.shares) if census else None,
        "isa": native.instruction_sets()[0] if asked["backend"] == "native" else None,
    }


if __name__ == "__main__":
    main()
