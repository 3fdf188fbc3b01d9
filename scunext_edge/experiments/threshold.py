"""A trial's test part at the threshold of its validation part, beside 0.5."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scunext_edge.evaluation import operating_worker, thresholds
from scunext_edge.provenance import digest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AtThreshold:
    """The threshold of highest mean Dice on the validation images; scores of each test image."""

    threshold: float
    scores: Mapping[str, tuple[float, float]]  # Dice and IoU by id

    @property
    def dice(self) -> float:
        """Mean over the test images."""
        return float(np.mean([dice for dice, _ in self.scores.values()]))

    @property
    def iou(self) -> float:
        """Mean over the test images."""
        return float(np.mean([iou for _, iou in self.scores.values()]))


def scored_at_threshold(job: Mapping[str, Any], artifact: str) -> AtThreshold:
    """Choose on the validation images of a trial's job, then score its test images once more.

    Both at each picture's own size, as ``scunext-edge operating-point`` does it.
    """
    on_val = _rows(job, artifact, "val", threshold=0.5, curve=True)
    threshold = thresholds.choose(np.array([row["curve"] for row in on_val])).threshold
    on_test = _rows(job, artifact, "test", threshold=threshold, curve=False)
    return AtThreshold(
        threshold=threshold,
        scores={row["id"]: (row["dice"][0], row["iou"][0]) for row in on_test},
    )


def code_of_threshold() -> str:
    """A digest of the code that chooses and scores: it is no part of that of a training."""
    read = (thresholds, operating_worker, scored_at_threshold, _rows)
    return digest_of(inspect.getsource(each) for each in read)


def _rows(
    job: Mapping[str, Any], artifact: str, part: str, *, threshold: float, curve: bool
) -> Sequence[Mapping[str, Any]]:
    subject = {
        "artifact": artifact,
        "backend": "torch",
        "device": job["accelerator"],
        "limits": None,
        "thresholds": [threshold],
    }
    asked = {
        "ask": operating_worker.PLAIN,
        "curve": curve,
        "source": {"folder": job["folder"], "part": "all", "count": 0, "seed": 0},
        "ids": job["images"][part],
        "subjects": [subject],
        "threads": job["threads"],
    }
    (rows,) = operating_worker.work(asked)
    return rows
