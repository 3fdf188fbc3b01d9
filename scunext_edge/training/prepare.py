"""From a data folder to packed training data, with an account of it for the card."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scunext_edge.data.datasets import Dataset, FolderDataset, open_dataset
from scunext_edge.data.duplicates import near_duplicates, near_duplicates_between
from scunext_edge.data.splits import find_split, part
from scunext_edge.errors import DataError
from scunext_edge.training.batches import Packed, pack

OnImage = Callable[[str, int, int], None]  # what is done, how many of them, out of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Two packed parts and what the card says about them."""

    train: Packed
    val: Packed
    account: dict[str, Any]


def prepare(
    path: Path,
    *,
    size: int,
    away_from: Path | None = None,
    without: Collection[str] = (),
    on_image: OnImage = lambda what, done, of: None,
) -> TrainingData:
    """Read train and val of a data folder.

    Training images that look like a validation or test image, or like a test image of the data
    set ``away_from``, are left out: what will be scored must not have been seen. So are those
    named in ``without``.
    """
    whole, split = open_dataset(path), find_split(path)
    train, val = part(whole, split, "train"), part(whole, split, "val")
    scored = {*val.ids, *(split.test if split else ())}
    left_out = _look_alikes(whole, train, scored, on_image) | ({*without} & {*train.ids})
    if away_from is not None:
        test = part(open_dataset(away_from), find_split(away_from), "test")
        left_out |= _look_alikes_between(train, test)
    kept = train.subset([name for name in train.ids if name not in left_out])
    if not len(kept):
        raise DataError(f"every training image of {whole.name} looks like one that will be scored")
    return TrainingData(
        train=_packed(kept, size, "packing train", on_image),
        val=_packed(val, size, "packing val", on_image),
        account={
            "name": whole.name,
            "split": split.source if split else None,
            "split_hash": split.hash if split else None,
            "train": len(kept),
            "train_hash": kept.hash,
            "val": len(val),
            "val_hash": val.hash,
            "kept_away_from": away_from.resolve().name if away_from else None,
            "left_out": sorted(left_out),
        },
    )


def _look_alikes(
    whole: FolderDataset, train: Dataset, scored: set[str], on_image: OnImage
) -> set[str]:
    """Training ids with a near-duplicate among the images that will be scored."""
    both, mine = whole.subset([*train.ids, *scored]), set(train.ids)
    pairs = near_duplicates(both, progress=lambda done, of: on_image("comparing", done, of))
    return {
        name
        for first, second, _ in pairs
        for name, other in ((first, second), (second, first))
        if name in mine and other in scored
    }


def _look_alikes_between(train: Dataset, test: Dataset) -> set[str]:
    """Training ids that are, or look like, a test image of another data set."""
    same = set(train.ids) & set(test.ids)
    return same | {name for name, _, _ in near_duplicates_between(train, test)}


def _packed(dataset: Dataset, size: int, what: str, on_image: OnImage) -> Packed:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        on_image(what, done, len(dataset))

    return pack(dataset, size, on_image=advance)
