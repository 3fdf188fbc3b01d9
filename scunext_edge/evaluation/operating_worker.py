"""The child's side of an operating point: pictures as they are, in eight views, or corrupted.

A picture is decoded once for all networks, and so is each fault drawn once. Every mask comes from
:class:`Predictor`, and is scored at the picture's own size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scunext_edge import isolate
from scunext_edge.artifacts import load
from scunext_edge.data.corruptions import BY_NAME, SEVERITIES, corrupted
from scunext_edge.data.datasets import Sample
from scunext_edge.data.source import Source
from scunext_edge.evaluation.reliability import reliability
from scunext_edge.evaluation.thresholds import dice_curve
from scunext_edge.metrics import score
from scunext_edge.quality.limits import Limits, load_limits
from scunext_edge.quality.signals import CLIP, confidence
from scunext_edge.runtime.predictor import Prediction, Predictor, at_image_size, logit_of
from scunext_edge.runtime.registry import open_runner
from scunext_edge.runtime.runner import Runner
from scunext_edge.weights.shipped import limits_of

PLAIN, VIEWS = "plain", "views"
_DIGITS = 6
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """A network that is open, and where its probabilities are cut."""

    runner: Runner
    limits: Limits | None
    thresholds: tuple[float, ...]

    def predictor(self, *, views: bool = False) -> Predictor:
        return Predictor(self.runner, self.limits, views=views)


def work(job: dict[str, Any]) -> list[list[Row]]:
    """For each of ``subjects``, a row for each image of ``ids``; ``ask`` says which.

    "plain": scores at the subject's thresholds, reliability, flags; with ``curve``, Dice at
    every threshold. "views": the mean of eight views, and how they differ. The name of a
    corruption: Dice and flags at every severity.
    """
    dataset = Source.from_json(job["source"]).open().subset(job["ids"])
    subjects = [_opened(it, job) for it in job["subjects"]]
    ask = _ask(job)
    rows: list[list[Row]] = [[] for _ in subjects]
    for index in range(len(dataset)):
        sample = dataset[index]
        for place, row in enumerate(ask(sample, subjects)):
            rows[place].append({"id": sample.id, **row})
    for subject in subjects:
        subject.runner.close()
    return rows


def _opened(one: dict[str, Any], job: dict[str, Any]) -> _Subject:
    artifact = load(Path(one["artifact"]))
    return _Subject(
        runner=open_runner(artifact, one["backend"], device=one["device"], threads=job["threads"]),
        limits=load_limits(Path(one["limits"])) if one["limits"] else limits_of(artifact),
        thresholds=tuple(one["thresholds"]),
    )


def _ask(job: dict[str, Any]) -> Callable[[Sample, list[_Subject]], Iterator[Row]]:
    if job["ask"] == PLAIN:
        return lambda sample, subjects: (_plain(sample, it, job["curve"]) for it in subjects)
    if job["ask"] == VIEWS:
        return lambda sample, subjects: (_views(sample, it) for it in subjects)
    return lambda sample, subjects: iter(_corrupted(sample, subjects, job["ask"]))


def _plain(sample: Sample, subject: _Subject, curve: bool) -> Row:
    found = subject.predictor().predict(sample.image_hwc)
    bins = reliability(found.logits_hw, sample.mask_hw)
    scores = [
        score(found.logits_hw > np.float32(logit_of(it)), sample.mask_hw)
        for it in subject.thresholds
    ]
    row: Row = {
        "dice": [_short(it.dice) for it in scores],
        "iou": [_short(it.iou) for it in scores],
        "pixels": bins.pixels.tolist(),
        "probability": [round(float(it), 3) for it in bins.probability],
        "lesion": bins.lesion.tolist(),
        "squared_error": bins.squared_error,
        "flags": _flags(found),
        "confidence": found.quality.values["confidence"] if found.quality else None,
    }
    if curve:
        row["curve"] = [_short(it) for it in dice_curve(found.logits_hw, sample.mask_hw)]
    return row


def _views(sample: Sample, subject: _Subject) -> Row:
    run = subject.predictor(views=True).run(sample.image_hwc)
    found = at_image_size(run, *sample.mask_hw.shape)
    assert run.views is not None
    assert found.deviation_hw is not None
    clipped = np.clip(run.views.logits.astype(np.float64), -CLIP, CLIP)
    total, pixels = float(found.deviation_hw.sum()), int(found.mask.sum())
    return {
        "dice": _short(score(found.mask, sample.mask_hw).dice),
        "confidence_of_views": confidence(clipped, clipped > 0),
        "deviation": total / found.mask.size,
        "deviation_by_area": total / pixels if pixels else None,  # as ``predict`` says
    }


def _corrupted(sample: Sample, subjects: list[_Subject], name: str) -> list[Row]:
    rows: list[Row] = [{"dice": [], "flags": []} for _ in subjects]
    for severity in SEVERITIES:
        image = corrupted(sample.image_hwc, BY_NAME[name], severity, sample.id)
        for row, subject in zip(rows, subjects, strict=True):
            found = subject.predictor().predict(image)
            row["dice"].append(_short(score(found.mask, sample.mask_hw).dice))
            row["flags"].append(_flags(found))
    return rows


def _flags(found: Prediction) -> list[str] | None:
    return [it.name for it in found.quality.flags] if found.quality else None


def _short(value: float) -> float:
    return round(float(value), _DIGITS)


if __name__ == "__main__":
    isolate.serve(work)
