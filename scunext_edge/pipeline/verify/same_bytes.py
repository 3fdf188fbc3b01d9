"""From the same bytes to masks on both engines: which stage makes the difference?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scunext_edge import isolate
from scunext_edge.data.datasets import Dataset, FolderDataset
from scunext_edge.data.preprocess import to_image_size
from scunext_edge.evaluation.trace_worker import read_array
from scunext_edge.export.stages import first_divergence, normalisation_fault, normalised
from scunext_edge.pipeline.verify.checks import Check, check
from scunext_edge.pipeline.verify.settings import Settings, Side
from scunext_edge.spec import Arrays

WORKER = "scunext_edge.evaluation.trace_worker"
IMAGES = 8

# The most pixels that a network may flip against its reference. INT8 flips up to one in a hundred
# where a network is unsure; beyond that it is another network.
_MOST_FLIPPED = {"fp32": 1e-3, "fp16": 2e-3, "bf16": 5e-3, "int8": 0.03}


def same_bytes(settings: Settings, dataset: Dataset, folder: Path) -> list[Check]:
    """One check for each stage, in their order. Without files there is nothing to decode."""
    if not isinstance(dataset, FolderDataset):
        return [check("same bytes", None, "drawn images have no bytes to begin with")]
    step = max(1, len(dataset) // IMAGES)
    paths = [dataset.paths(id)[0] for id in dataset.ids[::step][:IMAGES]]
    one, other = (
        _traced(side, paths, folder / name, settings.threads)
        for name, side in (("reference", settings.reference), ("candidate", settings.candidate))
    )
    pairs = [(_arrays(a), _arrays(b)) for a, b in zip(one, other, strict=True)]
    checks = [
        _alike(stage, [a[stage] == b[stage] for a, b in zip(one, other, strict=True)])
        for stage in ("decode", "resize")
    ]
    checks.append(_normalisation(settings, pairs[0][1]["resized"]))
    checks.append(_network(settings, pairs))
    checks += _after(pairs)
    return checks


def _traced(side: Side, paths: Sequence[Path], folder: Path, threads: int) -> list[dict[str, Any]]:
    folder.mkdir()
    job = {
        "artifact": str(side.artifact.directory),
        "backend": side.backend,
        "device": side.device,
        "threads": threads,
        "images": [str(path) for path in paths],
        "folder": str(folder),
    }
    traces: list[dict[str, Any]] = isolate.call(WORKER, job, env={"OMP_NUM_THREADS": str(threads)})
    return traces


def _arrays(trace: dict[str, Any]) -> Arrays:
    return {name: read_array(kept) for name, kept in trace["arrays"].items()}


def _alike(stage: str, same: Sequence[bool]) -> Check:
    unlike = same.count(False)
    message = f"{unlike} of {len(same)} images differ" if unlike else "the same to the bit"
    return check(stage, not unlike, message)


def _normalisation(settings: Settings, image: Any) -> Check:
    artifact = settings.candidate.artifact
    found = normalised(artifact, image)
    if found is None:
        return check("normalisation", None, f"{artifact.card.format} does not show it")
    # By the reference's contract: a candidate's card may be wrong along with its file.
    fault = normalisation_fault(found, image, settings.reference.artifact.spec)
    return check("normalisation", fault is None, fault or "(x / 255 - mean) / std, RGB")


def _network(settings: Settings, pairs: Sequence[tuple[Arrays, Arrays]]) -> Check:
    precision = settings.candidate.artifact.card.precision
    apart = max(float(np.abs(a["logits"] - b["logits"]).max()) for a, b in pairs)
    flipped = float(np.mean([((a["logits"] > 0) != (b["logits"] > 0)).mean() for a, b in pairs]))
    finite = all(np.isfinite(it["logits"]).all() for pair in pairs for it in pair)
    passed = bool(finite and flipped <= _MOST_FLIPPED[precision])
    message = f"{flipped:.3%} of the pixels flip, logits differ by up to {apart:.2g}"
    if not finite:
        message = "logits are infinite or not a number"
    sides = settings.reference.artifact, settings.candidate.artifact
    if all(it.card.format == "onnx" for it in sides):
        where = first_divergence(*sides, np.stack([b["resized"] for _, b in pairs]))
        if where is not None:
            message += (
                f"; {where.operator} {where.layer} is the first to differ ({where.error:.0%})"
            )
            passed = False
    return check("network", passed, message)


def _after(pairs: Sequence[tuple[Arrays, Arrays]]) -> list[Check]:
    """Is what a user gets (``Predictor``) what these logits make?"""
    backs, masks = [], []
    for _, found in pairs:
        back = to_image_size(found["logits"], *found["back"].shape)
        backs.append(bool(np.array_equal(back, found["back"])))
        masks.append(bool(np.array_equal(back > 0, found["mask"])))
    flipped = float(np.mean([(a["mask"] != b["mask"]).mean() for a, b in pairs]))
    threshold = _alike("threshold", masks)
    threshold["message"] += f"; {flipped:.3%} of the pixels flip in the end"
    return [_alike("resize back", backs), threshold]
