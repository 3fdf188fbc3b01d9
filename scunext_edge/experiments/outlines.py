"""HD95 of a trial's test part: how far its outlines are from those of the truth."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.images import read_mask
from scunext_edge.evaluation.boundary_worker import distances
from scunext_edge.provenance import digest_of

_TOLERANCE = 1.0  # of the surface Dice that is computed along, and not kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Of one image: HD95 in pixels of its own size and as share of its diagonal."""

    hd95: float
    share: float
    empty: bool  # one of the two masks alone: there is no distance, and the diagonal stands for it


def outlines(data: Path, ids: Sequence[str], masks: Path) -> Mapping[str, Outline]:
    """Compare ``masks/ID.png`` with the truth of these images, by MONAI.

    HD95 is the 95th percentile of the Hausdorff distance, the worse of both directions. Two empty
    masks are 0 apart. One empty mask is as far off as can be, so that a network gains nothing by
    finding nothing.
    """
    dataset = open_dataset(data).subset(ids)
    found = {}
    for index in range(len(dataset)):
        sample = dataset[index]
        predicted = read_mask(masks / f"{sample.id}.png")
        hd95 = distances(predicted, sample.mask_hw, _TOLERANCE)["hd95"]
        diagonal = math.hypot(*sample.mask_hw.shape)
        reach = diagonal if hd95 is None else hd95
        found[sample.id] = Outline(hd95=reach, share=reach / diagonal, empty=hd95 is None)
    return found


def code_of_hd95() -> str:
    """A digest of the code above that measures: it is no part of that of a training."""
    return digest_of(inspect.getsource(each) for each in (outlines, distances))
