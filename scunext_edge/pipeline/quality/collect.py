"""Every signal of every picture of every case, with the Dice that its mask has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scunext_edge.data.corruptions import seeded
from scunext_edge.data.datasets import Dataset
from scunext_edge.data.preprocess import mask_to_network, to_network
from scunext_edge.metrics import score
from scunext_edge.pipeline.quality.cases import foreign, skin, spoiled
from scunext_edge.progress import Advance
from scunext_edge.quality.domain import Domain
from scunext_edge.quality.signals import measure
from scunext_edge.runtime.runner import Runner, infer
from scunext_edge.spec import Image, Mask

CLEAN = "as it is"
MIRRORED, ENLARGED = "skin, mirrored", "skin, enlarged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One picture: how it was spoiled, its signals, and the Dice at the network's size."""

    id: str
    flag: str | None  # that ought to be raised; None: the picture as it is
    case: str
    level: float
    dice: float | None  # None: it has no lesion to find
    values: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The network that is asked, and the domain that distances are measured from."""

    runner: Runner
    domain: Domain

    def row(
        self,
        id: str,
        image: Image,
        truth: Mask | None,
        *,
        flag: str | None = None,
        case: str = CLEAN,
        level: float = 0.0,
    ) -> Row:
        """Segment, measure, score."""
        logits = infer(self.runner, {"image": image[None]})["logits"][0, 0]
        values = {**measure(image, logits), "distance": self.domain.distance(image)}
        dice = None if truth is None else score(logits > 0, truth).dice
        return Row(id=id, flag=flag, case=case, level=level, dice=dice, values=values)


def pairs(dataset: Dataset, size: int) -> Iterator[tuple[str, Image, Mask]]:
    """Id, picture and truth at the network's size."""
    for index in range(len(dataset)):
        sample = dataset[index]
        yield sample.id, to_network(sample.image_hwc, size), mask_to_network(sample.mask_hw, size)


def clean_rows(bench: Bench, dataset: Dataset, advance: Advance, what: str) -> list[Row]:
    """The pictures as they are."""
    rows = []
    for id, image, truth in pairs(dataset, bench.runner.spec.size):
        rows.append(bench.row(id, image, truth))
        advance(what, len(rows), len(dataset))
    return rows


def all_rows(bench: Bench, dataset: Dataset, advance: Advance, what: str) -> list[Row]:
    """The pictures as they are, spoiled in every way, and what lies beside their lesions."""
    rows: list[Row] = []
    for done, (id, image, truth) in enumerate(pairs(dataset, bench.runner.spec.size), start=1):
        rows.append(bench.row(id, image, truth))
        for case in spoiled():
            bad = case.spoil(image, truth, seeded(id, case.name))
            rows.append(bench.row(id, bad, truth, flag=case.flag, case=case.name, level=case.level))
        for name, mirrored in ((MIRRORED, True), (ENLARGED, False)):
            piece = skin(image, truth, mirrored=mirrored)
            if piece is not None:
                rows.append(bench.row(id, piece, None, flag="no_lesion", case=name))
        advance(what, done, len(dataset))
    return rows


def foreign_rows(
    bench: Bench, skins: Dataset, others: Sequence[Dataset], advance: Advance, what: str
) -> list[Row]:
    """Pictures of other kinds: drawn ones, changed ones of ``skins``, and those of ``others``."""
    rows: list[Row] = []
    size, total = bench.runner.spec.size, len(skins) + sum(len(it) for it in others)
    for done, (id, image, _) in enumerate(pairs(skins, size), start=1):
        for name, drawn in foreign(image, seeded(id, "foreign")):
            rows.append(bench.row(id, drawn, None, flag="other_kind", case=name))
        advance(what, done, total)
    done = len(skins)
    for dataset in others:
        for id, image, _ in pairs(dataset, size):
            rows.append(bench.row(id, image, None, flag="other_kind", case=dataset.name))
            done += 1
            advance(what, done, total)
    return rows


def column(rows: Sequence[Row], signal: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """One signal of many rows."""
    return np.array([row.values[signal] for row in rows])
