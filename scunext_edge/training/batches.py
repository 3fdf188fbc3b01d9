"""Training data in memory: decoded once, kept as uint8, augmented a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scunext_edge.data.datasets import Dataset
from scunext_edge.data.preprocess import mask_to_network, to_network
from scunext_edge.errors import DataError
from scunext_edge.training import colour, geometry
from scunext_edge.training.recipe import Recipe
from scunext_edge.training.sampling import drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A data set at the network's size: uint8 [N, H, W, 3] and uint8 0/1 [N, H, W]."""

    ids: tuple[str, ...]
    images: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.ids)


def pack(dataset: Dataset, size: int, *, on_image: Callable[[], None] = lambda: None) -> Packed:
    """Read every sample once and stretch it to ``size`` x ``size``."""
    if not len(dataset):
        raise DataError(f"{dataset.name} has no images to train on")
    images = np.empty((len(dataset), size, size, 3), np.uint8)
    masks = np.empty((len(dataset), size, size), np.uint8)
    for index in range(len(dataset)):
        sample = dataset[index]
        images[index] = to_network(sample.image_hwc, size)
        masks[index] = mask_to_network(sample.mask_hw, size)
        on_image()
    return Packed(
        ids=tuple(dataset.ids), images=torch.from_numpy(images), masks=torch.from_numpy(masks)
    )


def batches(
    packed: Packed, recipe: Recipe, *, epoch: int, rank: int = 0, ranks: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch for one of ``ranks`` processes: float32 [B, H, W, 3] in 0..255, [B, 1, H, W].

    Order and augmentation follow from (seed, epoch, rank) alone, so a resumed run meets what the
    uninterrupted one would have met. The last incomplete batch is dropped.
    """
    rng = np.random.default_rng([recipe.seed, epoch])
    order = drawn(packed.masks, recipe.balance, rng)[rank::ranks]
    rng = np.random.default_rng([recipe.seed, epoch, rank + 1])
    for start in range(
        0, steps_per_epoch(packed, recipe, ranks=ranks) * recipe.batch, recipe.batch
    ):
        yield _augment(packed, order[start : start + recipe.batch].tolist(), recipe, rng)


def steps_per_epoch(packed: Packed, recipe: Recipe, *, ranks: int = 1) -> int:
    """Full batches per process and epoch."""
    steps = len(packed) // ranks // recipe.batch
    if not steps:
        raise DataError(
            f"{len(packed)} images make no batch of {recipe.batch} on {ranks} processes",
            hint="use more images or a smaller --batch",
        )
    return steps


def _augment(
    packed: Packed, picked: list[int], recipe: Recipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    pixels = torch.empty((len(picked), *packed.images.shape[1:]))
    truth = torch.empty((len(picked), 1, *packed.masks.shape[1:]))
    for index, number in enumerate(picked):
        # a slice, not one picture: its strides say channels-last, and resizing keeps that
        image = packed.images[number : number + 1].permute(0, 3, 1, 2)
        mask = packed.masks[number : number + 1, None]
        image, mask = geometry.turned(*_framed(image, mask, recipe, rng), rng)
        pixels[index] = image[0].permute(1, 2, 0)
        truth[index] = mask[0]
    return colour.changed(pixels, recipe, rng), truth


def _framed(
    image: Tensor, mask: Tensor, recipe: Recipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """At most one of the ways to frame a picture anew. What is off draws no number."""
    if recipe.boundary > 0 and rng.random() < recipe.boundary:
        return geometry.close_up(image, mask, rng)
    if recipe.affine > 0 and rng.random() < recipe.affine:
        return geometry.moved(image, mask, recipe.scale, rng)
    if rng.random() < recipe.zoom:
        return geometry.cropped(image, mask, rng)
    return image, mask
