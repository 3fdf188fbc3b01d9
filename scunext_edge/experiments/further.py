"""What a question may ask of a trial beside Dice and IoU: in its record, of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scunext_edge.errors import require
from scunext_edge.experiments.outlines import code_of_hd95
from scunext_edge.experiments.threshold import code_of_threshold

# Means of a record, by score. To the values of an image each adds two, in the order asked.
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


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """The order in which a record has them, whatever order they were asked in."""
    return tuple(score for score in FURTHER if score in names)


def fitted(record: Mapping[str, Any], scores: Sequence[str]) -> Mapping[str, Any] | None:
    """A record with these further scores and no others; None where it lacks one.

    A trial's folder is shared by experiments that ask for different ones.
    """
    held = record.get("scores", in_order([score for score in FURTHER if score in record]))
    if list(held) == list(scores):
        return record
    if not set(scores) <= set(held):
        return None
    places = [0, *(place_of(score, held) for score in scores)]
    keep = [at for place in places for at in range(place, place + _OF_AN_IMAGE)]
    dropped = set(held) - set(scores)
    rest = {name: value for name, value in record.items() if _of(name) not in dropped}
    images = {id: [values[at] for at in keep] for id, values in record["images"].items()}
    return {**rest, "images": images, "scores": list(scores)}


def _of(name: str) -> str | None:
    """The further score that an entry of a record tells of."""
    told = (score for score, means in FURTHER.items() if name in means)
    return next(told, name.rpartition("_")[0] or None)


def code_of(score: str) -> str:
    """A digest of the code that measures it."""
    return _CODES[score]()


def is_outdated(record: Mapping[str, Any], scores: Sequence[str]) -> bool:
    """Whether a further score that is asked for was measured by other code."""
    codes = {score: record.get(f"{score}_code") for score in scores}
    return any(code is not None and code != code_of(score) for score, code in codes.items())
