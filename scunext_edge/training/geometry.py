"""Where a picture of training lies in its frame: turned, cropped, moved, seen from near."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_CROP = (0.7, 0.55)  # of height and width: a square centre of a 4:3 frame has width 0.75
CLOSE = (0.4, 0.7)  # sides of a close-up, as shares of the frame's
ASPECT = 1.15  # largest ratio of the two scales of a moved picture
SHIFT = 0.1  # of the frame, in each direction

# Each takes uint8 [1, 3, H, W] and its mask, uint8 0/1 [1, 1, H, W], and gives the same shapes, as
# uint8 or float32.


def turned(image: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One of the eight symmetries of the square (D4)."""
    flip, mirror, transpose = rng.random(3) < 0.5
    axes = [axis for axis, wanted in ((2, flip), (3, mirror)) if wanted]
    image, mask = image.flip(axes), mask.flip(axes)
    return (image.mT, mask.mT) if transpose else (image, mask)


def cropped(image: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random window, stretched back: scale and aspect of other cameras and other crops."""
    height, width = mask.shape[2:]
    tall = int(height * rng.uniform(SMALLEST_CROP[0], 1))
    wide = int(width * rng.uniform(SMALLEST_CROP[1], 1))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    return _window(image, mask, (int(top), tall), (int(left), wide))


def close_up(image: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A small window around a random point of the lesion's edge; anywhere where there is none."""
    height, width = mask.shape[2:]
    share = rng.uniform(*CLOSE)
    tall, wide = int(height * share), int(width * share)
    points = edge_points(mask[0, 0].numpy())
    if not len(points):
        points = np.argwhere(np.ones((height, width), bool))
    row, column = points[rng.integers(len(points))]
    top = min(max(int(row) - tall // 2, 0), height - tall)
    left = min(max(int(column) - wide // 2, 0), width - wide)
    # of the target's pixel centres: "nearest" takes its corners, and moves the edge by half a pixel
    return _window(image, mask, (top, tall), (left, wide), nearest="nearest-exact")


def edge_points(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """[N, 2] rows and columns of the lesion's pixels beside one that is none; the frame is none."""
    inner = mask.astype(bool)
    near = np.pad(inner, 1, mode="edge")
    whole = near[:-2, 1:-1] & near[2:, 1:-1] & near[1:-1, :-2] & near[1:-1, 2:]
    return np.argwhere(inner & ~whole)


def moved(
    image: Tensor, mask: Tensor, scale: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Turned by any angle, enlarged or made smaller up to ``scale`` times, shifted; resampled once.

    What comes from beyond the frame is reflected, of the picture and its mask alike. The ranges
    are those of nnU-Net (arXiv 1809.10486): any angle, and by default a scale of 0.7 to 1.4.
    """
    angle = rng.uniform(-math.pi, math.pi)
    larger = scale ** rng.uniform(-1, 1)
    aspect = ASPECT ** rng.uniform(-0.5, 0.5)
    across, down = 1 / (larger * aspect), aspect / larger  # from the new frame to the old one
    right, below = 2 * rng.uniform(-SHIFT, SHIFT, 2)  # in units of half a frame
    cosine, sine = math.cos(angle), math.sin(angle)
    rows = [
        [cosine * across, -sine * down, float(right)],
        [sine * across, cosine * down, float(below)],
    ]
    both = torch.cat((image, 255 * mask), dim=1).float()
    grid = functional.affine_grid(torch.tensor([rows]), list(both.shape), align_corners=False)
    found = functional.grid_sample(
        both, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return found[:, :3], (found[:, 3:] >= 127.5).to(torch.uint8)


def _window(
    image: Tensor,
    mask: Tensor,
    rows: tuple[int, int],
    columns: tuple[int, int],
    *,
    nearest: str = "nearest",
) -> tuple[Tensor, Tensor]:
    """A part of the picture, given by (start, length) of each axis, stretched to its size."""
    (top, tall), (left, wide) = rows, columns
    window, size = (..., slice(top, top + tall), slice(left, left + wide)), tuple(mask.shape[2:])
    image = functional.interpolate(image[window], size, mode="bilinear")
    return image, functional.interpolate(mask[window], size, mode=nearest)
