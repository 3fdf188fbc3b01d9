"""Which images are for training, validation, test and calibration: made, stored, found, applied."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scunext_edge.data.datasets import Dataset, listed
from scunext_edge.errors import ArtifactError, ConfigError, DataError
from scunext_edge.storage import read_json, write_json

# 1: first form
SCHEMA = 1
PARTS = ("train", "val", "test", "calibration")
CALIBRATION = 128

_ID_COLUMNS = ("name", "id", "image_id", "image")
_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Ids by part, sorted. train, val and test are disjoint; calibration is a part of train."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    calibration: tuple[str, ...]
    source: str  # where it came from, in words

    def __post_init__(self) -> None:
        counts = Counter([*self.train, *self.val, *self.test])
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise DataError(
                f"the split ({self.source}) has images in two places: {listed(twice)}",
                hint="an image belongs to one of train, val and test",
            )
        outside = sorted(set(self.calibration) - set(self.train))
        if outside or len(set(self.calibration)) < len(self.calibration):
            raise DataError(
                f"the split ({self.source}) calibrates on images outside train, or twice on one: "
                f"{listed(outside or sorted(self.calibration))}",
                hint="calibration images are drawn from train only",
            )

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over the ids of every part; the source does not count."""
        content = json.dumps([sorted(getattr(self, part)) for part in PARTS])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def make_split(
    dataset: Dataset,
    *,
    val: float = 0.1,
    test: float = 0.2,
    calibration: int = CALIBRATION,
    seed: int = 0,
    keep_together: Iterable[Sequence[str]] = (),
    areas: Mapping[str, float] | None = None,
) -> Split:
    """Draw a split. ``val`` and ``test`` are shares of all images, ``calibration`` a number.

    Each sequence in ``keep_together`` names images that land on the same side, such as the pairs
    of ``check.near_duplicates``; groups that share an image are one group. With ``areas``, the
    lesion's share of the frame by id, calibration images are spread evenly over lesion sizes.
    """
    if min(val, test, calibration) < 0 or val + test >= 1:
        raise ConfigError(
            f"a split of val={val}, test={test}, calibration={calibration} leaves nothing to train",
            hint="val and test are shares from 0 to 1 that sum to less than 1",
        )
    room = {"test": round(len(dataset) * test), "val": round(len(dataset) * val)}
    parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    groups = _groups(dataset.ids, keep_together)
    for group in sorted(groups, key=lambda group: _draw_order(seed, group[0])):
        part = next((part for part in room if len(parts[part]) + len(group) <= room[part]), "train")
        parts[part] += group
    if not parts["train"]:
        raise ConfigError(f"{dataset.name} has too few images to split: {len(dataset)}")
    source = f"drawn with seed {seed}"
    return _split(parts, calibration=calibration, seed=seed, source=source, areas=areas)


def make_folds(
    dataset: Dataset,
    *,
    folds: int,
    val: float = 0.05,
    seed: int = 0,
    keep_together: Iterable[Sequence[str]] = (),
    groups: Mapping[str, str] | None = None,
) -> list[Split]:
    """Splits in which every image is a test image once; ``keep_together`` as in `make_split`.

    ``val`` is a share of all images, drawn anew in each fold from those that are not its test.
    With ``groups``, what each id belongs to (a hospital), every fold tests its share of each.
    """
    if folds < 2 or not 0 < val < 1 - 1 / folds:
        raise ConfigError(
            f"{folds} folds with val={val} leave nothing to train",
            hint="use 2 folds or more, and a share val below what is not test",
        )
    if folds > len(dataset):
        raise ConfigError(f"{dataset.name} has too few images for {folds} folds: {len(dataset)}")
    dealt: list[list[list[str]]] = [[] for _ in range(folds)]
    held: Counter[tuple[int, str]] = Counter()  # images of a group in a fold
    alike = _groups(dataset.ids, keep_together)
    for names in sorted(alike, key=lambda names: _draw_order(seed, names[0])):
        whose = groups[names[0]] if groups else ""
        sizes = [(held[at, whose], sum(map(len, fold))) for at, fold in enumerate(dealt)]
        least = sizes.index(min(sizes))
        dealt[least].append(names)
        held.update((least, groups[name] if groups else "") for name in names)
    return [_fold(dataset, dealt, number, val=val, seed=seed) for number in range(folds)]


def leave_out(
    dataset: Dataset,
    groups: Mapping[str, str],
    left: str,
    *,
    val: float = 0.1,
    seed: int = 0,
    keep_together: Iterable[Sequence[str]] = (),
) -> Split:
    """The split that tests on all images of one group, and trains on those of the others alone.

    ``groups`` says what each id belongs to (a hospital). ``val`` is a share of the images of the
    others. Of those, an image that looks like one of the test part is in no part.
    """
    if not 0 < val < 1:
        raise ConfigError(
            f"a validation share of {val} leaves nothing to train", hint="use one from 0 to 1"
        )
    alike = _groups(dataset.ids, keep_together)
    rest = [names for names in alike if all(groups[name] != left for name in names)]
    room = round(sum(groups[name] != left for name in dataset.ids) * val)
    drawn = sorted(rest, key=lambda names: _draw_order(seed, f"without {left} {names[0]}"))
    parts = _dealt(drawn, room)
    parts["test"] = [name for name in dataset.ids if groups[name] == left]
    source = f"{left} is test, the rest drawn with seed {seed}"
    return _split(parts, calibration=0, seed=seed, source=source)


def draw_subset(dataset: Dataset, count: int, *, seed: int = 0) -> Dataset:
    """``count`` images of a data set, the same ones whatever order it lists them in."""
    if not 0 < count <= len(dataset):
        raise ConfigError(f"{dataset.name} has {len(dataset)} images, not {count}")
    drawn = sorted(dataset.ids, key=lambda name: _draw_order(seed, f"subset {name}"))
    return dataset.subset(sorted(drawn[:count]))


def save_split(path: Path, split: Split) -> None:
    """Write the split as JSON with its hash, atomically."""
    content: dict[str, Any] = {"schema": SCHEMA, "source": split.source, "hash": split.hash}
    write_json(path, content | {part: list(getattr(split, part)) for part in PARTS})


def load_split(path: Path) -> Split:
    """Read what ``save_split`` wrote; a file that was changed since is an ``ArtifactError``."""
    data = read_json(path)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise ArtifactError(
            f"{path} has schema {found!r}; this version reads {SCHEMA}",
            hint="make it anew: scunext-edge data split",
        )
    try:
        ids = {part: tuple(str(name) for name in data[part]) for part in PARTS}
        split = Split(**ids, source=str(data["source"]))
        stored = data["hash"]
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} is no complete split: {error!r}", hint="make it anew: scunext-edge data split"
        ) from error
    if split.hash != stored:
        raise ArtifactError(
            f"{path} was altered: its ids hash to {split.hash}, it says {stored}",
            hint="make it anew: scunext-edge data split",
        )
    return split


def find_split(dataset_path: Path) -> Split | None:
    """The split of a data set's folder: ``split.json``, else ``manifest.csv``, else None."""
    stored, manifest = dataset_path / "split.json", dataset_path / "manifest.csv"
    if stored.is_file():
        return load_split(stored)
    if manifest.is_file():
        return _from_manifest(manifest)
    return None


def part(dataset: Dataset, split: Split | None, name: str) -> Dataset:
    """The part of the data set called train, val, test, calibration or all."""
    if name not in (*PARTS, "all"):
        raise ConfigError(
            f"there is no part called {name!r}", hint=f"choose one of: {', '.join(PARTS)}, all"
        )
    if name == "all":
        return dataset
    if split is None:
        raise ConfigError(
            f"{dataset.name} has no split, so nobody knows which images are {name}",
            hint="make one: scunext-edge data split; or ask for the part 'all'",
        )
    ids = getattr(split, name)
    if not ids:
        filled = [part for part in PARTS if getattr(split, part)]
        raise ConfigError(
            f"the split of {dataset.name} has no {name} images",
            hint=f"it has: {', '.join(filled) or 'nothing'}; or ask for the part 'all'",
        )
    return dataset.subset(ids)


def find_groups(dataset: Dataset, path: Path, column: str) -> dict[str, str]:
    """What a column of the folder's ``manifest.csv`` says of each image, by id: its hospital, say.

    A folder without that column, or an image without an entry in it, is a ``DataError``.
    """
    manifest = path / "manifest.csv"
    if not manifest.is_file():
        raise DataError(
            f"{path} has no manifest.csv, so nobody knows the {column!r} of its images",
            hint=f"add one with a column {column!r}, and a row for each image",
        )
    found = {name: (row[column] or "").strip() for _, name, row in _by_image(manifest, column)}
    if unknown := [name for name in dataset.ids if not found.get(name)]:
        raise DataError(
            f"{manifest} does not say the {column!r} of {listed(unknown)}",
            hint="every image needs a row with a value in that column",
        )
    return {name: found[name] for name in dataset.ids}


def _by_image(path: Path, column: str) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Line, id and row of every image in a manifest that has this column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    columns = list(rows[0]) if rows else []
    key = next((column for column in _ID_COLUMNS if column in columns), None)
    if key is None or column not in columns:
        found = ", ".join(str(name) for name in columns) or "nothing"
        raise DataError(
            f"{path} has no usable columns; it has: {found}",
            hint=f"it needs {column!r} and one of: {', '.join(_ID_COLUMNS)}",
        )
    for number, row in enumerate(rows, start=2):
        name = row[key] or ""
        yield number, Path(name).stem if key == "image" else name, row


def _from_manifest(path: Path) -> Split:
    parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number, name, row in _by_image(path, "split"):
        word = _WORDS.get((row["split"] or "").strip().lower())
        if word is None or not name:
            raise DataError(
                f"{path}, line {number}: name {name!r} with split {row['split']!r}",
                hint="split is one of train, val, test",
            )
        parts[word].append(name)
    return _split(parts, calibration=CALIBRATION, seed=0, source=f"{path.name}, column 'split'")


def _fold(
    dataset: Dataset,
    dealt: Sequence[Sequence[Sequence[str]]],
    number: int,
    *,
    val: float,
    seed: int,
) -> Split:
    rest = [group for at, fold in enumerate(dealt) if at != number for group in fold]
    rest = sorted(rest, key=lambda group: _draw_order(seed, f"fold {number} {group[0]}"))
    parts = _dealt(rest, round(len(dataset) * val))
    parts["test"] = [name for group in dealt[number] for name in group]
    source = f"fold {number + 1} of {len(dealt)}, drawn with seed {seed}"
    return _split(parts, calibration=0, seed=seed, source=source)


def _dealt(groups: Iterable[Sequence[str]], room: int) -> dict[str, list[str]]:
    """``room`` images to val, the others to train; a group stays whole."""
    parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for group in groups:
        parts["val" if len(parts["val"]) + len(group) <= room else "train"] += group
    return parts


def _split(
    parts: Mapping[str, Sequence[str]],
    *,
    calibration: int,
    seed: int,
    source: str,
    areas: Mapping[str, float] | None = None,
) -> Split:
    """Sort the parts and draw the calibration images from train."""
    drawn = sorted(parts["train"], key=lambda name: _draw_order(seed, f"calibration {name}"))
    if areas is not None:
        drawn = _over_sizes(drawn, areas, calibration)
    return Split(
        train=tuple(sorted(parts["train"])),
        val=tuple(sorted(parts["val"])),
        test=tuple(sorted(parts["test"])),
        calibration=tuple(sorted(drawn[:calibration])),
        source=source,
    )


def _over_sizes(drawn: Sequence[str], areas: Mapping[str, float], count: int) -> list[str]:
    """Every n-th of the ids sorted by area; the order of the draw says where to begin."""
    if count >= len(drawn):
        return list(drawn)
    by_area = sorted(drawn, key=lambda name: (areas[name], name))
    begin = drawn.index(by_area[0]) / len(drawn)
    return [by_area[int((begin + index) * len(by_area) / count)] for index in range(count)]


def _draw_order(seed: int, name: str) -> str:
    """A random order that no library's version can change."""
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _groups(ids: Sequence[str], keep_together: Iterable[Sequence[str]]) -> list[list[str]]:
    """Every id in exactly one sorted group; groups that share an id are merged."""
    group_of = {name: [name] for name in ids}
    for names in keep_together:
        known = [name for name in names if name in group_of]
        for name in known[1:]:
            one, other = group_of[known[0]], group_of[name]
            if one is not other:
                one += other
                group_of.update(dict.fromkeys(other, one))
    return [sorted(group) for group in {id(group): group for group in group_of.values()}.values()]
