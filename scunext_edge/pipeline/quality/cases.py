"""Pictures with a planted fault of known strength, and pictures that hold no lesion at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageFilter

from scunext_edge.data.corruptions import expose
from scunext_edge.quality.signals import to_gray
from scunext_edge.spec import Image, Mask

LEAST_SIDE = 80  # of a piece of skin without lesion
AWAY = 6  # pixels between that piece and the lesion's box
REFLECTION = 6  # pixels, radius of what is wholly white in a planted reflection

Spoil = Callable[[Image, Mask, np.random.Generator], Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to spoil a picture at the network's size, and which flag ought to notice."""

    flag: str
    name: str
    level: float  # sigma in pixels; factor of light; number of reflections
    spoil: Spoil


def spoiled() -> tuple[Case, ...]:
    """Every planted fault, the mildest of a kind first."""
    found = [_case("blurred", "Gaussian blur, sigma", s, _blur(s)) for s in (1, 2, 4, 6, 8)]
    found += [_case("too_dark", "light times", f, _expose(f)) for f in (0.7, 0.5, 0.3, 0.1)]
    found += [_case("too_bright", "light times", f, _expose(f)) for f in (1.3, 1.6, 2.0, 2.5)]
    return (*found, *(_case("glare", "reflections", n, _reflect(n)) for n in (1, 3, 6, 12)))


def skin(image: Image, mask: Mask, *, mirrored: bool) -> Image | None:
    """The largest square beside the lesion's box, mirrored or enlarged to the picture's size.

    None where it has less than ``LEAST_SIDE`` pixels, or where there is no lesion to lie beside.
    """
    if not mask.any():
        return None
    side = len(mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom = int(rows[0]) - AWAY, int(rows[-1]) + 1 + AWAY
    left, right = int(columns[0]) - AWAY, int(columns[-1]) + 1 + AWAY
    strips = (
        (0, top, 0, side),
        (bottom, side, 0, side),
        (0, side, 0, left),
        (0, side, right, side),
    )
    y0, y1, x0, x1 = max(strips, key=lambda it: min(it[1] - it[0], it[3] - it[2]))
    length = min(y1 - y0, x1 - x0)
    if length < LEAST_SIDE:
        return None
    y0, x0 = y0 + (y1 - y0 - length) // 2, x0 + (x1 - x0 - length) // 2
    piece = image[y0 : y0 + length, x0 : x0 + length]
    if mirrored:
        more = side - length
        return np.pad(piece, ((0, more), (0, more), (0, 0)), mode="symmetric")
    how = PillowImage.Resampling.BILINEAR
    return np.array(PillowImage.fromarray(piece).resize((side, side), how))


def foreign(image: Image, rng: np.random.Generator) -> Iterator[tuple[str, Image]]:
    """Pictures of other kinds by name: some drawn, some made of a picture of skin."""
    side = len(image)
    yield "dermoscopy in gray", np.repeat(to_gray(image).astype(np.uint8)[..., None], 3, axis=2)
    yield "red and blue exchanged", image[..., ::-1].copy()
    yield "a negative", 255 - image
    yield "noise", rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    colour = rng.integers(0, 256, 3, dtype=np.uint8)
    yield "one flat colour", np.broadcast_to(colour, image.shape).copy()
    few = PillowImage.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    yield "coloured clouds", np.array(few.resize((side, side), PillowImage.Resampling.BICUBIC))
    yield "a page of text", _page(side, rng)


def _case(flag: str, name: str, level: float, spoil: Spoil) -> Case:
    return Case(flag=flag, name=name, level=level, spoil=spoil)


def _blur(sigma: float) -> Spoil:
    blur = ImageFilter.GaussianBlur(sigma)
    return lambda image, mask, rng: np.array(PillowImage.fromarray(image).filter(blur))


def _expose(factor: float) -> Spoil:
    return lambda image, mask, rng: expose(image, factor)


def _reflect(count: int) -> Spoil:
    """White discs with soft rims, their centres on the lesion."""
    reach = 2 * REFLECTION

    def spoil(image: Image, mask: Mask, rng: np.random.Generator) -> Image:
        points = np.argwhere(mask)
        if not len(points):
            return image
        whole = image.astype(np.float64)
        for row, column in points[rng.integers(len(points), size=count)]:
            top, left = max(row - reach, 0), max(column - reach, 0)
            part = whole[top : row + reach + 1, left : column + reach + 1]
            y, x = np.indices(part.shape[:2])
            far = ((y + top - row) ** 2 + (x + left - column) ** 2) / REFLECTION**2
            veil = np.clip(1.6 - far, 0, 1)[..., None]
            part *= 1 - veil
            part += 250 * veil
        return np.round(whole).astype(np.uint8)

    return spoil


def _page(side: int, rng: np.random.Generator) -> Image:
    page = np.full((side, side), 250, dtype=np.uint8)
    for row in range(12, side - 12, 10):
        letters = rng.random((5, side - 24)) < 0.5
        page[row : row + 5, 12 : side - 12][letters] = 30
    return np.repeat(page[..., None], 3, axis=2)
