"""Training data in memory: decoded once, kept as uint8, augmented a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scunext_edge.data.datasets import Dataset
from scunext_edge.data.preprocess import mask_to_network, to_network
from scunext_edge.errors import DataError
from scunext_edge.training.recipe import Recipe

SMALLEST_CROP = (0.7, 0.55)  # of height and width: a square centre of a 4:3 frame has width 0.75


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
    order = rng.permutation(len(packed))[rank::ranks]
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
        if rng.random() < recipe.zoom:
            image, mask = _crop(image, mask, rng)
        image, mask = _turn(image, mask, rng)
        pixels[index] = image[0].permute(1, 2, 0)
        truth[index] = mask[0]
    return _recolour(pixels, recipe.colour, rng), truth


def _crop(image: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random window, stretched back: scale and aspect of other cameras and other crops."""
    height, width = mask.shape[2:]
    tall = int(height * rng.uniform(SMALLEST_CROP[0], 1))
    wide = int(width * rng.uniform(SMALLEST_CROP[1], 1))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    window = (..., slice(top, top + tall), slice(left, left + wide))
    image = functional.interpolate(image[window], (height, width), mode="bilinear")
    return image, functional.interpolate(mask[window], (height, width), mode="nearest")


def _turn(image: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One of the eight symmetries of the square (D4)."""
    flip, mirror, transpose = rng.random(3) < 0.5
    axes = [axis for axis, wanted in ((2, flip), (3, mirror)) if wanted]
    image, mask = image.flip(axes), mask.flip(axes)
    return (image.mT, mask.mT) if transpose else (image, mask)


def _recolour(pixels: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast and the gain of each channel, in place; [B, H, W, 3] in 0..255."""
    if most <= 0:
        return pixels

    def drawn(channels: int) -> Tensor:
        change = rng.uniform(-most, most, (len(pixels), 1, 1, channels))
        return torch.from_numpy(change.astype(np.float32))

    gain = (1 + drawn(1)) * (1 + drawn(3) / 2)  # contrast x colour of the light
    middle = pixels.mean((1, 2, 3), keepdim=True)
    shift = middle + 128 * drawn(1) - middle * gain
    # as long rows: a dimension of three channels makes the arithmetic ten times slower
    rows, width = pixels.flatten(2), pixels.shape[2]
    gains, shifts = (part.repeat(1, 1, width, 1).flatten(2) for part in (gain, shift))
    torch.addcmul(shifts, rows, gains, out=rows)
    return pixels.clamp_(0, 255)
