"""What is measured of a picture and of the network's answer to it; ``docs/quality.md`` says why.

All of it at the network's size, so that the size of a photo does not matter. Sums are of whole
numbers, so that ``web/page/quality.js`` gets the same.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scunext_edge.spec import Image, Mask

Gray = npt.NDArray[np.int16]  # [H, W], 0 to 255, or a difference of such
Logits = npt.NDArray[np.float32]  # [H, W]

CLIP = 8.0  # the native engine's logits go no further
WHITE = 245  # a gray level that is as good as clipped
SPECULAR = 225  # the least of red, green, blue in a highlight
ABOVE = 40  # gray levels by which a highlight is lighter than the picture's median
MARGIN = 8  # a highlight counts within the mask's box, and an eighth of its sides around
TOP = 200  # a 200th of the pixels decides whether anything was found
COARSE = 8  # pixels


def measure(image: Image, logits: Logits) -> dict[str, float]:
    """Every signal of uint8 [H, W, 3] and its logits float32 [H, W], both at the network's size."""
    gray = to_gray(image)
    levels = np.cumsum(np.bincount(gray.ravel(), minlength=256))
    clipped = np.clip(logits.astype(np.float64), -CLIP, CLIP)
    mask = clipped > 0
    return {
        "sharpness": sharpness(gray),
        "light": float(_level(levels, 9, 10)),
        "white": float(gray.size - int(levels[WHITE - 1])) / gray.size,
        "glare": glare(image, mask, _level(levels, 1, 2)),
        "found": found(clipped),
        "confidence": confidence(clipped, mask),
    }


def to_gray(image: Image) -> Gray:
    """(77 R + 150 G + 29 B) / 256, cut to whole numbers."""
    red, green, blue = (image[..., at].astype(np.uint16) for at in range(3))  # 256 * 255 fits
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.int16)


def sharpness(gray: Gray) -> float:
    """Standard deviation of the Laplacian, as a share of the mean gray; 0 for a flat picture.

    The variance of the Laplacian is the measure of Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy" (ICPR 2000); divided by the light, as Pertuz, Puig and Garcia ("Analysis
    of focus measure operators for shape-from-focus", 2013) divide others.
    """
    inner = gray[1:-1, 1:-1]
    laplacian = 4 * inner - gray[:-2, 1:-1] - gray[2:, 1:-1] - gray[1:-1, :-2] - gray[1:-1, 2:]
    mean = _mean(gray)
    return _spread(laplacian) / mean if mean else 0.0


def glare(image: Image, mask: Mask, median: int) -> float:
    """The share of the mask's surroundings that is a highlight; of the picture without a mask."""
    red, green, blue = (image[_surroundings(mask)][..., at] for at in range(3))
    least = np.minimum(np.minimum(red, green), blue)
    return float(np.count_nonzero(least >= max(SPECULAR, median + ABOVE))) / least.size


def found(clipped: npt.NDArray[np.float64]) -> float:
    """The mean logit of the few pixels that the network is surest of."""
    count = max(1, clipped.size // TOP)
    return float(np.partition(clipped, clipped.size - count, axis=None)[-count:].mean())


def confidence(clipped: npt.NDArray[np.float64], mask: Mask) -> float:
    """The Dice that the network itself expects: 2 sum(p in mask) / (mask + sum(p)); 0 if empty.

    Soft Dice Confidence of Borges, Pacheco and Silva (arXiv 2402.10665).
    """
    area = int(np.count_nonzero(mask))
    if not area:
        return 0.0
    chances = 1.0 / (1.0 + np.exp(-clipped))
    return float(2.0 * chances[mask].sum() / (area + chances.sum()))


def looks(image: Image) -> npt.NDArray[np.float64]:
    """Eight numbers that tell one kind of picture from another: light, hue, their spread, texture.

    Spreads and textures are logarithms: a gray picture is far from all coloured ones.
    """
    gray = to_gray(image)
    red, green, blue = (image[..., at].astype(np.int16) for at in range(3))
    parts: list[float] = []
    for plane in (gray, red - green, green - blue):
        parts += [_mean(plane), math.log(_spread(plane) + 1.0)]
    for step in (1, COARSE):
        down = _mean(np.abs(gray[step:] - gray[:-step]))
        parts.append(math.log(down + _mean(np.abs(gray[:, step:] - gray[:, :-step])) + 0.01))
    return np.array(parts)


def _surroundings(mask: Mask) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return _widened(rows), _widened(columns)


def _widened(hit: npt.NDArray[np.intp]) -> slice:
    if not hit.size:
        return slice(None)
    first, last = int(hit[0]), int(hit[-1])
    more = (last - first + 1) // MARGIN
    return slice(max(first - more, 0), last + 1 + more)


def _level(levels: npt.NDArray[np.intp], part: int, of: int) -> int:
    """The least gray level that ``part / of`` of the pixels do not exceed."""
    return int(np.searchsorted(levels * of, part * int(levels[-1])))


def _mean(plane: Gray) -> float:
    return int(plane.sum(dtype=np.int64)) / plane.size


def _spread(plane: Gray) -> float:
    """Standard deviation, from whole numbers: exact up to the root."""
    values = plane.ravel().astype(np.float64)
    count, total, squares = plane.size, int(values.sum()), int((values * values).sum())
    return math.sqrt((count * squares - total * total) / (count * count))
