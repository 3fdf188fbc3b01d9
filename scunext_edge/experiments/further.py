"""What a question may ask of a trial beside Dice and IoU: in its record, of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scunext_edge.errors import require
from scunext_edge.experiments.outlines import code_of_hd95
from scunext_edge.experiments.threshold import code_of_threshold

# What each adds to a record. To the values of an image each adds two, in the order asked.
FURTHER = {
    "hd95": ("hd95", "hd95_share"),
    "threshold": ("threshold", "dice_at_threshold", "iou_at_threshold"),
}
_OF_AN_IMAGE = 2
_CODES = {"hd95": code_of_hd95, "threshold": code_of_threshold}


def check(scores: Sequence[str]) -> None:
    """Raise ``BackendMissing`` before a training whose scores cannot be computed here."""
    if "hd95" in scores:
        require("monai", "verify", needed_for="HD95, a score of this experiment")


def place_of(score: str, asked: Sequence[str]) -> int:
    """Where the first value of a score stands among those of an image: Dice and IoU lead."""
    return _OF_AN_IMAGE * (1 + list(asked).index(score))


def code_of(score: str) -> str:
    """A digest of the code that measures it."""
    return _CODES[score]()


def is_outdated(record: Mapping[str, Any], scores: Sequence[str]) -> bool:
    """Whether a further score that is asked for was measured by other code."""
    codes = {score: record.get(f"{score}_code") for score in scores}
    return any(code is not None and code != code_of(score) for score, code in codes.items())
