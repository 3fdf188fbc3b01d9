"""From the bytes of a picture to its mask, every stage kept: what two engines are compared by."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from scunext_edge import isolate
from scunext_edge.artifacts import load
from scunext_edge.data.images import read_image
from scunext_edge.data.preprocess import to_network
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import open_runner
from scunext_edge.runtime.runner import infer
from scunext_edge.spec import Array


def work(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Trace the files named in ``images``; arrays go to ``folder``, see :func:`read_array`."""
    artifact = load(Path(job["artifact"]))
    runner = open_runner(artifact, job["backend"], device=job["device"], threads=job["threads"])
    predictor, traces = Predictor(runner), []
    for number, path in enumerate(job["images"]):
        decoded = read_image(Path(path))
        resized = to_network(decoded, artifact.spec.size)
        logits = infer(runner, {"image": resized[None]})["logits"][0, 0]
        given = predictor.predict(decoded)  # what a user gets, by its own way
        arrays = {
            "resized": resized,
            "logits": logits,
            "back": given.logits_hw,
            "mask": given.mask,
        }
        kept = {
            name: _kept(array, Path(job["folder"], f"{number}.{name}"))
            for name, array in arrays.items()
        }
        traces.append({"decode": digest(decoded), "resize": digest(resized), "arrays": kept})
    runner.close()
    return traces


def _kept(array: Array, path: Path) -> dict[str, Any]:
    array.tofile(path)
    return {"file": str(path), "dtype": str(array.dtype), "shape": list(array.shape)}


def read_array(kept: dict[str, Any]) -> Array:
    """An array that :func:`work` has kept."""
    return np.asarray(np.fromfile(kept["file"], kept["dtype"]).reshape(kept["shape"]))


def digest(array: Array) -> str:
    """SHA-256 of an array's shape and bytes."""
    content = np.ascontiguousarray(array)
    return hashlib.sha256(repr(content.shape).encode() + content.tobytes()).hexdigest()


if __name__ == "__main__":
    isolate.serve(work)
