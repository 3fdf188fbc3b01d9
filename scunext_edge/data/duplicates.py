"""Pictures that show the same lesion: copied, recompressed, recoloured, shifted a little, cropped.

Two gray thumbnails decide. The coarse one (16 x 16) finds candidates by a matrix product. The fine
one (128 x 128), freed from local brightness and contrast, tells the same lesion from one that only
looks alike: the fine structures of the same lesion fall on each other at some small shift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from scunext_edge.data.datasets import Dataset, FolderDataset
from scunext_edge.data.images import read_gray

SAME = 0.985  # coarse correlation above which a pair needs no second look
CANDIDATE = 0.92
DETAIL = 0.5  # fine correlation; chest X-rays of different people reach 0.45, lesions 0.3

Pair = tuple[str, str, float]
Progress = Callable[[int, int], None]  # done, total
Gray = npt.NDArray[np.uint8]

_COARSE, _FINE, _SHIFT = 16, 128, 12
# Share of the columns that a centred square keeps of a whole frame squashed to a square, for
# frames of 4:3 and 3:2. The first view is the picture as it is.
VIEWS = (1.0, 3 / 4, 2 / 3)
_BLOCK = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """coarse: float32 [256], mean 0 and length 1 (or all 0); fine: uint8 [128, 128]."""

    coarse: npt.NDArray[np.float32]
    fine: Gray


def near_duplicates(dataset: Dataset, *, progress: Progress | None = None) -> list[Pair]:
    """Pairs (id, id, coarse correlation) within a data set, most alike first."""
    prints = [fingerprint(gray) for gray in _grays(dataset, progress)]
    return match_within(dataset.ids, prints)


def near_duplicates_between(
    a: Dataset, b: Dataset, *, progress: Progress | None = None
) -> list[Pair]:
    """Pairs (id in a, id in b, coarse correlation), most alike first.

    One set may hold centred square crops and the other whole frames squashed to squares.
    """
    views_a = [_views(gray) for gray in _grays(a, progress)]
    views_b = [_views(gray) for gray in _grays(b, progress)]
    best: dict[tuple[str, str], float] = {}
    combinations = [(0, view) for view in range(len(VIEWS))]
    combinations += [(view, 0) for view in range(1, len(VIEWS))]
    for view_a, view_b in combinations:
        prints_a, prints_b = [v[view_a] for v in views_a], [v[view_b] for v in views_b]
        for i, j, alike in _matches(prints_a, prints_b):
            key = (a.ids[i], b.ids[j])
            best[key] = max(alike, best.get(key, -1.0))
    return _sorted([(one, other, alike) for (one, other), alike in best.items()])


def match_within(ids: Sequence[str], prints: Sequence[Fingerprint]) -> list[Pair]:
    """Near-duplicates among fingerprints, each pair once, its ids in the given order."""
    return _sorted([(ids[i], ids[j], alike) for i, j, alike in _matches(prints, prints)])


def fingerprint(gray: Gray, *, columns: float = 1.0) -> Fingerprint:
    """Both thumbnails of uint8 [H, W]; ``columns`` is the centred share of the width to look at."""
    picture = PillowImage.fromarray(gray)
    margin = picture.width * (1 - columns) / 2
    box = (margin, 0, picture.width - margin, picture.height)
    how = PillowImage.Resampling.BOX
    fine = picture.resize((_FINE, _FINE), how, box)
    coarse = np.asarray(picture.resize((_COARSE, _COARSE), how, box), dtype=np.float32).ravel()
    coarse = coarse - coarse.mean()
    length = np.sqrt(np.sum(coarse * coarse))
    return Fingerprint(coarse=coarse / max(length, np.float32(1)), fine=np.asarray(fine))


def _views(gray: Gray) -> list[Fingerprint]:
    return [fingerprint(gray, columns=columns) for columns in VIEWS]


def _grays(dataset: Dataset, progress: Progress | None) -> Iterator[Gray]:
    for index, name in enumerate(dataset.ids):
        if isinstance(dataset, FolderDataset):  # spares the mask
            yield read_gray(dataset.paths(name)[0])
        else:
            yield np.asarray(PillowImage.fromarray(dataset[index].image_hwc).convert("L"))
        if progress:
            progress(index + 1, len(dataset))


def _matches(
    prints_a: Sequence[Fingerprint], prints_b: Sequence[Fingerprint]
) -> Iterator[tuple[int, int, float]]:
    """Indices and coarse correlation of all pairs that pass."""
    if not prints_a or not prints_b:
        return
    same = prints_a is prints_b
    coarse_b = np.stack([one.coarse for one in prints_b])
    for start in range(0, len(prints_a), _BLOCK):
        coarse_a = np.stack([one.coarse for one in prints_a[start : start + _BLOCK]])
        alike = coarse_a @ coarse_b.T
        if same:  # each pair once, and nothing with itself
            alike = np.triu(alike, start + 1)
        for row, j in np.argwhere(alike > CANDIDATE).tolist():
            value = float(alike[row, j])
            i = start + row
            if value > SAME or _detail(prints_a[i].fine, prints_b[j].fine) > DETAIL:
                yield i, j, round(min(value, 1.0), 6)  # the last bits depend on the block


def _detail(a: Gray, b: Gray) -> float:
    """Highest correlation of the flattened pictures over shifts of up to ``_SHIFT`` pixels."""
    product = np.fft.rfft2(_flat(a)) * np.conj(np.fft.rfft2(_flat(b)))
    by_shift = np.roll(np.fft.irfft2(product), (_SHIFT, _SHIFT), (0, 1))
    return float(by_shift[: 2 * _SHIFT + 1, : 2 * _SHIFT + 1].max())


def _flat(gray: Gray) -> npt.NDArray[np.float64]:
    """Local mean taken away and local spread divided out; overall mean 0 and length 1."""
    values = gray.astype(np.float64)
    mean = _box_mean(values)
    variance = np.maximum(_box_mean(values * values) - mean * mean, 0)
    flat = (values - mean) / np.sqrt(variance + 9.0)  # 3 gray levels of spread count as noise
    flat -= flat.mean()
    result: npt.NDArray[np.float64] = flat / max(float(np.sqrt(np.sum(flat * flat))), 1e-9)
    return result


def _box_mean(values: npt.NDArray[np.float64], reach: int = 4) -> npt.NDArray[np.float64]:
    """Mean over a square of 2 reach + 1 pixels, the edge repeated."""
    side = 2 * reach + 1
    sums = np.pad(values, ((reach + 1, reach), (reach + 1, reach)), mode="edge")
    sums = sums.cumsum(0).cumsum(1)
    total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return total / side**2


def _sorted(pairs: list[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))
