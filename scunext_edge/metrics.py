"""Dice, IoU, precision and recall of one image. Numpy only; averaging is the caller's business."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scunext_edge.spec import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How well one predicted mask covers the truth, each 0 to 1; areas in pixels."""

    dice: float  # 2 TP / (2 TP + FP + FN)
    iou: float  # TP / (TP + FP + FN), the Jaccard index
    precision: float  # TP / (TP + FP)
    recall: float  # TP / (TP + FN)
    truth_area: int
    predicted_area: int
    common_area: int  # TP: with the two areas, what pooled scores are made from


def score(predicted: Mask, truth: Mask) -> Scores:
    """Compare two bool masks [H, W].

    An empty prediction of an empty truth is a perfect answer: all four scores are 1. Where only
    the denominator of precision (or recall) is empty, that score is 0.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"masks differ in shape: {predicted.shape} and {truth.shape}")
    common = int(np.count_nonzero(predicted & truth))
    found, real = int(np.count_nonzero(predicted)), int(np.count_nonzero(truth))
    if not found and not real:
        dice = iou = precision = recall = 1.0
    else:
        dice, iou = 2 * common / (found + real), common / (found + real - common)
        precision = common / found if found else 0.0
        recall = common / real if real else 0.0
    return Scores(
        dice=dice,
        iou=iou,
        precision=precision,
        recall=recall,
        truth_area=real,
        predicted_area=found,
        common_area=common,
    )
