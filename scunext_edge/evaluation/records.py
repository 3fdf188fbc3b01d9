"""An evaluation as it is stored: one line of scores per image, never a mean alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.errors import ArtifactError
from scunext_edge.metrics import Scores
from scunext_edge.storage import read_record, write_json

# 1: first form
SCHEMA = 1
KIND = "evaluation"
METRICS = ("dice", "iou", "precision", "recall")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The scores of one artifact on one engine over one set of images."""

    subject: Mapping[str, Any]  # artifact_id, backend, backend_version, device, ...
    dataset: Mapping[str, Any]  # name, part, images, hash
    scores: Mapping[str, Scores]  # image id -> scores

    def values(self, metric: str) -> npt.NDArray[np.float64]:
        """One metric of every image, in the order of ids."""
        return np.array([getattr(scores, metric) for scores in self.scores.values()])

    def mean(self, metric: str) -> float:
        """The mean over images: the figure that reports call Dice or IoU."""
        return float(self.values(metric).mean())

    def pooled(self) -> tuple[float, float]:
        """Dice and IoU over all pixels of all images at once; for comparison with papers only."""
        common, truth, found = (
            sum(getattr(scores, name) for scores in self.scores.values())
            for name in ("common_area", "truth_area", "predicted_area")
        )
        if not truth and not found:
            return 1.0, 1.0
        return 2 * common / (truth + found), common / (truth + found - common)


def save(path: Path, evaluation: Evaluation) -> None:
    """Write one JSON file, atomically."""
    dice, iou = evaluation.pooled()
    write_json(
        path,
        {
            "schema": SCHEMA,
            "kind": KIND,
            "subject": dict(evaluation.subject),
            "dataset": dict(evaluation.dataset),
            "dice_pooled": dice,
            "iou_pooled": iou,
            "scores": [{"id": id, **asdict(scores)} for id, scores in evaluation.scores.items()],
        },
    )


def load(path: Path) -> Evaluation:
    """Read what :func:`save` wrote. Another schema, or no record at all, is an ArtifactError."""
    data = read_record(path, kind=KIND, schema=SCHEMA)
    try:
        return from_answer(data)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path} is not a complete evaluation: {error!r}",
            hint="remove it, and the images are scored again",
        ) from error


def from_answer(data: Mapping[str, Any]) -> Evaluation:
    """From JSON: a stored record's, or the worker's."""
    rows = [dict(row) for row in data["scores"]]
    return Evaluation(
        subject=dict(data["subject"]),
        dataset=dict(data["dataset"]),
        scores={row.pop("id"): Scores(**row) for row in rows},
    )
