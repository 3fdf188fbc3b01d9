"""The images that set the ranges of an INT8 model: unlike any that is scored, of every lesion size.

Whoever calibrates on what is scored afterwards measures a model that has seen the answers. Ids do
not show it, since the same lesion may stand in a data set under two of them: pictures do.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from scunext_edge.data.datasets import Dataset, FolderDataset, listed, open_dataset
from scunext_edge.data.duplicates import SAME, VIEWS, Progress, fingerprint, near_duplicates_between
from scunext_edge.data.images import read_mask
from scunext_edge.data.source import Source
from scunext_edge.data.splits import find_split, part
from scunext_edge.errors import DataError

# 1: first form
SCHEMA = 1
KIND = "calibration"
MANIFEST = "calibration.json"  # inside an artifact
SCORED = ("val", "test")

# Lesions by share of the frame; the last one has no end.
SIZES: Mapping[str, tuple[float, float]] = {
    "small": (0.0, 0.05),
    "medium": (0.05, 0.20),
    "large": (0.20, 1.01),
}
_EQUAL = 0.9999  # correlation of thumbnails of the same file, or of one that was saved again


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """What calibration images were compared with, and which had to go."""

    split: str | None  # where the split came from, with its seed
    against: Mapping[str, int]  # part -> how many images
    left_out: tuple[tuple[str, str, str], ...]  # id, the scored image that it looks like, its part

    def to_json(self) -> dict[str, Any]:
        """For a manifest."""
        left_out = [list(it) for it in self.left_out]
        return {"split": self.split, "against": dict(self.against), "left_out": left_out}


def open_calibration(source: Source) -> tuple[Dataset, Screening | None]:
    """The images of ``source`` that look like none of its folder's val and test parts.

    Drawn ones need no screening. An image that *is* a scored one, under whatever id, is a
    ``DataError``: then the split is not what it says.
    """
    if source.folder is None:
        return source.open(), None
    return _opened(source.folder, source.part)


@lru_cache(maxsize=4)  # many seconds of looking at pictures, for every form of every network
def _opened(folder: str, part_name: str) -> tuple[Dataset, Screening]:
    path = Path(folder)
    whole, split = open_dataset(path), find_split(path)
    filled = [name for name in SCORED if split is not None and getattr(split, name)]
    scored = {name: part(whole, split, name) for name in filled}
    source = split.source if split is not None else None
    return screen(part(whole, split, part_name), scored, split=source)


def screen(
    calibration: Dataset, scored: Mapping[str, Dataset], *, split: str | None = None
) -> tuple[Dataset, Screening]:
    """``calibration`` without what looks like an image of ``scored``, by perceptual hash."""
    left_out = []
    for name, dataset in scored.items():
        pairs = near_duplicates_between(calibration, dataset)
        same = [(one, other) for one, other, alike in pairs if alike > _EQUAL]
        if same:
            raise DataError(
                f"calibration would be on {name} images: "
                f"{listed([f'{one} is {other}' for one, other in same])}",
                hint="`scunext-edge data split` draws one that keeps copies on one side",
            )
        left_out += [(one, other, name) for one, other, _ in pairs]
    gone = {one for one, _, _ in left_out}
    kept = [id for id in calibration.ids if id not in gone]
    if not kept:
        raise DataError(
            f"every calibration image of {calibration.name} looks like one that is scored",
            hint="draw the split again: scunext-edge data split",
        )
    against = {name: len(dataset) for name, dataset in scored.items()}
    screening = Screening(split=split, against=against, left_out=tuple(left_out))
    return calibration.subset(kept), screening


def lesion_areas(dataset: Dataset, *, progress: Progress | None = None) -> dict[str, float]:
    """Share of the frame that is lesion, by id. ``progress`` is told (done, total)."""
    areas = {}
    for index, id in enumerate(dataset.ids):
        if isinstance(dataset, FolderDataset):  # spares the image
            areas[id] = float(read_mask(dataset.paths(id)[1]).mean())
        else:
            areas[id] = float(dataset[index].mask_hw.mean())
        if progress:
            progress(index + 1, len(dataset))
    return areas


def strata(areas: Iterable[float]) -> dict[str, int]:
    """How many lesions of each size."""
    values = list(areas)
    return {
        size: sum(low <= area < high and area > 0 for area in values)
        for size, (low, high) in SIZES.items()
    }


def manifest(dataset: Dataset, *, method: str, screening: Screening | None) -> dict[str, Any]:
    """All that proves which images these were, and lets others be compared with them."""
    images, areas = [], []
    for index, id in enumerate(dataset.ids):
        sample = dataset[index]
        areas.append(float(sample.mask_hw.mean()))
        images.append(
            {
                "id": id,
                "sha256": hashlib.sha256(sample.image_hwc.tobytes()).hexdigest(),
                "lesion": round(areas[-1], 6),
                "thumbnails": [_packed(it) for it in _thumbnails(sample.image_hwc)],
            }
        )
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "dataset": dataset.name,
        "hash": dataset.hash,
        "method": method,
        "count": len(images),
        "strata": strata(areas),
        "screening": screening.to_json() if screening else None,
        "images": images,
    }


def look_alikes(content: Mapping[str, Any], scored: Dataset) -> list[tuple[str, str]]:
    """(calibration id, scored id) of pictures that show the same, by a manifest alone.

    The whole of one against the whole and the centred squares of the other, as in
    :mod:`scunext_edge.data.duplicates`, but by the coarse thumbnail alone: copies and crops are
    found, a lesion that was photographed twice may not be.
    """
    ids = [it["id"] for it in content["images"]]
    ours = np.stack([[_unpacked(text) for text in it["thumbnails"]] for it in content["images"]])
    theirs = np.stack([_thumbnails(scored[index].image_hwc) for index in range(len(scored))])
    whole = np.einsum("ad,bvd->abv", ours[:, 0], theirs).max(-1)
    cut = np.einsum("avd,bd->abv", ours, theirs[:, 0]).max(-1)
    alike = np.argwhere(np.maximum(whole, cut) > SAME).tolist()
    return [(ids[row], scored.ids[column]) for row, column in alike]


def _thumbnails(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """[V, 256]: the picture as it is, then its centred views."""
    gray = np.asarray(PillowImage.fromarray(image).convert("L"))
    return np.stack([fingerprint(gray, columns=columns).coarse for columns in VIEWS])


def _packed(coarse: npt.NDArray[np.float32]) -> str:
    most = max(float(np.abs(coarse).max()), 1e-9)
    return base64.b64encode(np.rint(coarse / most * 127).astype(np.int8).tobytes()).decode()


def _unpacked(text: str) -> npt.NDArray[np.float32]:
    values = np.frombuffer(base64.b64decode(text), np.int8).astype(np.float32)
    return np.asarray(values / max(float(np.sqrt(np.sum(values * values))), 1e-9), np.float32)
