"""Evaluations with scores that were made up, so that every answer is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from scunext_edge.evaluation.records import Evaluation
from scunext_edge.metrics import Scores

SUBJECT = {
    "artifact_id": "0123456789abcdef",
    "model": "tiny",
    "backend": "fake",
    "backend_version": "1",
    "device": "cpu",
    "precision": "fp32",
    "quantizer": None,
}


def make_scores(dice: float, **changes: Any) -> Scores:
    """Scores of one image; all four metrics are alike unless changed."""
    alike = dict.fromkeys(("dice", "iou", "precision", "recall"), dice)
    areas = {"truth_area": 100, "predicted_area": 100, "common_area": round(100 * dice)}
    return Scores(**{**alike, **areas, **changes})


@pytest.fixture
def evaluation() -> Callable[..., Evaluation]:
    """``evaluation([0.9, 0.8], iou=[...], ids=[...])``."""

    def make(
        dice: Sequence[float], *, ids: Sequence[str] | None = None, **metrics: Sequence[float]
    ) -> Evaluation:
        names = ids or [f"lesion_{index:03d}" for index in range(len(dice))]
        scores: Mapping[str, Scores] = {
            name: make_scores(value, **{key: values[index] for key, values in metrics.items()})
            for index, (name, value) in enumerate(zip(names, dice, strict=True))
        }
        dataset = {"name": "made up", "images": len(scores), "hash": "fedcba9876543210"}
        return Evaluation(subject=SUBJECT, dataset=dataset, scores=scores)

    return make
