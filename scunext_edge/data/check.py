"""What is wrong with a folder of images and masks, as a list; an empty list is a good sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from scunext_edge.data.datasets import find_files
from scunext_edge.data.duplicates import (
    Fingerprint,
    Gray,
    Pair,
    Progress,
    fingerprint,
    match_within,
    near_duplicates,
    near_duplicates_between,
)
from scunext_edge.data.images import read_gray
from scunext_edge.data.splits import Split, find_split
from scunext_edge.errors import DataError

__all__ = ["Finding", "Kind", "check", "near_duplicates", "near_duplicates_between"]

Kind = Literal[
    "missing mask",
    "missing image",
    "unreadable",
    "wrong size",
    "mask values",
    "empty mask",
    "near duplicate",
    "duplicate across split",
    "not in folder",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, the images it concerns, and a sentence about it."""

    kind: Kind
    ids: tuple[str, ...]
    message: str


def check(path: Path, *, progress: Progress | None = None) -> list[Finding]:
    """Look at every file below ``path``; ``progress`` is told (done, total) after each image.

    Raises ``DataError`` where there is nothing to look at, and for a split that cannot be read.
    """
    images, masks = find_files(path)
    if not images and not masks:
        raise DataError(f"{path} holds no images", hint="give the folder with images and masks")
    split = find_split(path)
    findings = [
        Finding(kind="missing mask", ids=(name,), message=f"{images[name].name} has no mask")
        for name in sorted(images.keys() - masks.keys())
    ]
    findings += [
        Finding(kind="missing image", ids=(name,), message=f"{masks[name].name} has no image")
        for name in sorted(masks.keys() - images.keys())
    ]
    prints: dict[str, Fingerprint] = {}
    for done, name in enumerate(sorted(images), start=1):
        findings += _look(name, images[name], masks.get(name), prints)
        if progress:
            progress(done, len(images))
    ids = sorted(prints)
    pairs = match_within(ids, [prints[name] for name in ids])
    return findings + [_duplicate(pair, _sides(split)) for pair in pairs] + _unknown(split, images)


def _look(
    name: str, image_path: Path, mask_path: Path | None, prints: dict[str, Fingerprint]
) -> list[Finding]:
    """What is wrong with one pair; its fingerprint goes to ``prints``."""
    findings = []
    image = mask = None
    try:
        image = read_gray(image_path)
        prints[name] = fingerprint(image)
    except DataError as error:
        findings.append(Finding(kind="unreadable", ids=(name,), message=str(error)))
    try:
        mask = read_gray(mask_path) if mask_path else None
    except DataError as error:
        findings.append(Finding(kind="unreadable", ids=(name,), message=str(error)))
    if mask is None or mask_path is None:
        return findings
    if image is not None and image.shape != mask.shape:
        sizes = f"{mask.shape[1]} x {mask.shape[0]}, its image {image.shape[1]} x {image.shape[0]}"
        message = f"{mask_path.name} is {sizes}"
        findings.append(Finding(kind="wrong size", ids=(name,), message=message))
    return findings + _values(name, mask_path, mask)


def _values(name: str, path: Path, mask: Gray) -> list[Finding]:
    findings = []
    between = np.count_nonzero((mask != 0) & (mask != 255))
    if between:
        message = f"{path.name} has {between} of {mask.size} pixels that are neither 0 nor 255"
        findings.append(Finding(kind="mask values", ids=(name,), message=message))
    if not (mask > 127).any():
        message = f"{path.name} marks nothing"
        findings.append(Finding(kind="empty mask", ids=(name,), message=message))
    return findings


def _duplicate(pair: Pair, sides: Mapping[str, str]) -> Finding:
    one, other, alike = pair
    text = f"{one} and {other} show the same picture (correlation {alike:.4f})"
    if sides.get(one, "") != sides.get(other, "") and one in sides and other in sides:
        where = f"{text}, one in {sides[one]} and one in {sides[other]}"
        return Finding(kind="duplicate across split", ids=(one, other), message=where)
    return Finding(kind="near duplicate", ids=(one, other), message=text)


def _sides(split: Split | None) -> dict[str, str]:
    if split is None:
        return {}
    return {name: part for part in ("train", "val", "test") for name in getattr(split, part)}


def _unknown(split: Split | None, images: Iterable[str]) -> list[Finding]:
    return [
        Finding(kind="not in folder", ids=(name,), message=f"the split names {name}: no such image")
        for name in sorted(_sides(split).keys() - set(images))
    ]
