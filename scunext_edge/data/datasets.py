"""Pairs of image and mask as a sized, indexable collection; folders are paired first, read later.

A folder is one of

- ``images/`` and ``masks/``, matched by file name without suffix;
- the official ISIC naming, ``ISIC_x.jpg`` with ``ISIC_x_segmentation.png``, in one folder, in
  sibling folders below the given one, or in ``..._Input`` with its ``..._GroundTruth`` beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scunext_edge.data.images import read_image, read_mask
from scunext_edge.errors import DataError
from scunext_edge.spec import Image, Mask
from scunext_edge.storage import sha256_of

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}
_MASK_ENDINGS = ("_segmentation", "_mask")  # ISIC; Shenzhen chest X-rays
_LAYOUT_HINT = "use images/ with masks/, or ISIC_x.jpg with ISIC_x_segmentation.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture and its truth: uint8 [H, W, 3] RGB and bool [H, W] of the same size."""

    id: str
    image_hwc: Image
    mask_hw: Mask


class Dataset(Protocol):
    """Samples in the order of their sorted ids."""

    @property
    def name(self) -> str:
        """A short name for reports."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Sorted; sample i has ids[i]."""

    @property
    def hash(self) -> str:
        """16 hexadecimal digits that change with any id, image or mask."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def subset(self, ids: Sequence[str]) -> Dataset:
        """The samples with these ids; an id that is not there is a ``DataError``."""


class FolderDataset:
    """Pairs of files. Samples are read when asked for, each time anew."""

    def __init__(
        self,
        name: str,
        pairs: Mapping[str, tuple[Path, Path]],
        *,
        digests: dict[Path, str] | None = None,
    ) -> None:
        self.name = name
        self.ids = tuple(sorted(pairs))
        self._pairs = pairs
        self._digests = {} if digests is None else digests  # shared with subsets

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        """Read one pair; a mask of another size than its image is a ``DataError``."""
        image_path, mask_path = self._pairs[self.ids[index]]
        image, mask = read_image(image_path), read_mask(mask_path)
        if image.shape[:2] != mask.shape:
            raise DataError(
                f"{mask_path} is {mask.shape[1]} x {mask.shape[0]}, "
                f"its image {image.shape[1]} x {image.shape[0]}",
                hint="a mask has the size of its image; `scunext-edge data check` lists all",
            )
        return Sample(id=self.ids[index], image_hwc=image, mask_hw=mask)

    @property
    def hash(self) -> str:
        """Over ids and bytes of all files; the files are read once and remembered."""
        total = hashlib.sha256()
        for name in self.ids:
            image, mask = (self._digest(path) for path in self._pairs[name])
            total.update(f"{name}\0{image}\0{mask}\n".encode())
        return total.hexdigest()[:16]

    def paths(self, id: str) -> tuple[Path, Path]:
        """The files of one sample: image, mask."""
        return self._pairs[id]

    def subset(self, ids: Sequence[str]) -> FolderDataset:
        """The samples with these ids; an id that is not there is a ``DataError``."""
        check_known(ids, self.ids, self.name)
        pairs = {name: self._pairs[name] for name in ids}
        return FolderDataset(self.name, pairs, digests=self._digests)

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            try:
                self._digests[path] = sha256_of(path)
            except OSError as error:
                raise DataError(f"{path} cannot be read: {error.strerror}") from error
        return self._digests[path]


def open_dataset(path: Path) -> FolderDataset:
    """Pair the files below ``path``. Raises ``DataError`` unless every image has a mask."""
    images, masks = find_files(path)
    if not images:
        raise DataError(f"{path} holds no images", hint=_LAYOUT_HINT)
    lonely = sorted(images.keys() - masks.keys())
    if lonely:
        raise DataError(f"{path}: images without masks: {listed(lonely)}", hint=_LAYOUT_HINT)
    name = path.resolve().name
    return FolderDataset(name, {key: (images[key], masks[key]) for key in images})


def find_files(path: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Images and masks below ``path`` by id, paired or not."""
    if not path.is_dir():
        reason = "is a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {reason}", hint="give the folder that holds images and masks")
    if (path / "images").is_dir() and (path / "masks").is_dir():
        return _by_id(_pictures(path / "images")), _by_id(_pictures(path / "masks"))
    folders = [path, *_ground_truth_beside(path)]
    folders += sorted(entry for entry in path.iterdir() if entry.is_dir())
    files = [file for folder in folders for file in _pictures(folder)]
    masks = [file for file in files if file.stem.endswith(_MASK_ENDINGS)]
    images = [file for file in files if not file.stem.endswith(_MASK_ENDINGS)]
    return _by_id(images), _by_id(masks)


def listed(ids: Sequence[str], most: int = 5) -> str:
    """The first few ids, then how many more there are."""
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more


def check_known(ids: Sequence[str], known: Sequence[str], name: str) -> None:
    """Raise ``DataError`` if an id is not among those known."""
    unknown = sorted(set(ids) - set(known))
    if unknown:
        raise DataError(
            f"{name} has no image called {listed(unknown)}",
            hint="the list of ids belongs to another data set, or files were removed",
        )


def _pictures(folder: Path) -> list[Path]:
    """Image files of a folder, without ISIC's superpixels and attribute maps."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES
        and not file.name.startswith(".")
        and not file.stem.endswith("_superpixels")
        and "_attribute_" not in file.stem
    )


def _ground_truth_beside(folder: Path) -> list[Path]:
    """``ISIC2018_Task1_x_GroundTruth`` for ``ISIC2018_Task1-2_x_Input``, and 2017's likewise."""
    if folder.name.endswith("_Input"):
        name = folder.name.replace("Task1-2", "Task1").replace("_Input", "_GroundTruth")
    elif folder.name.endswith("_Data"):
        name = folder.name.replace("_Data", "_Part1_GroundTruth")
    else:
        return []
    beside = folder.parent / name
    return [beside] if beside.is_dir() else []


def _by_id(files: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        name = file.stem
        for ending in _MASK_ENDINGS:
            name = name.removesuffix(ending)
        if name in found:
            raise DataError(
                f"two files for {name}: {found[name]} and {file}", hint="remove one of them"
            )
        found[name] = file
    return found
