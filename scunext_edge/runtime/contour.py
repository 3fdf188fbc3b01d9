"""Outlines of a mask: as polygons, and drawn into an image."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from scunext_edge.spec import Image, Mask

Point = tuple[int, int]  # x, y

# Clockwise as seen on a screen (y points down), so that (way + 1) % 4 is a turn to the right.
_EAST, _SOUTH, _WEST, _NORTH = range(4)
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
_OUTLINE_RGB = (0, 255, 128)  # neither skin nor a grey image has it
_PIXELS_PER_LINE_WIDTH = 300


def contour(mask: Mask) -> list[list[Point]]:
    """The outer outline of every region of bool [H, W], the largest first; holes are left out.

    A point (x, y) is a corner *between* pixels, 0 <= x <= W and 0 <= y <= H, so that filling
    a polygon gives the region back exactly. Only corners are listed, clockwise, each once;
    the last joins the first. Pixels that touch at a corner belong together.
    """
    loops = [_corners(loop) for loop in _loops(_outgoing(mask))]
    outer = [loop for loop in loops if _area(loop) > 0]
    return sorted(outer, key=_area, reverse=True)


def overlay(image: Image, mask: Mask) -> Image:
    """A copy of uint8 [H, W, 3] with the rim of bool [H, W], from inside, in bright green.

    The line is one pixel wide, and wider in images of more than 300 pixels.
    """
    if mask.shape != image.shape[:2]:
        raise ValueError(f"the mask is {mask.shape}, and the image {image.shape[:2]}")
    inside = mask
    for _ in range(max(1, round(max(mask.shape) / _PIXELS_PER_LINE_WIDTH))):
        inside = _eroded(inside)
    drawn: Image = image.copy()
    drawn[mask & ~inside] = _OUTLINE_RGB
    return drawn


def _eroded(mask: Mask) -> Mask:
    """``mask`` without the pixels that touch its outside, or the image's edge, by a side."""
    padded = np.pad(mask, 1)
    beside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    eroded: Mask = mask & beside
    return eroded


def _outgoing(mask: Mask) -> dict[Point, list[int]]:
    """For every corner on a border: the ways that lead on from it with the mask on the right."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    rims: tuple[tuple[int, Mask, Point], ...] = (
        (_EAST, inside & ~padded[:-2, 1:-1], (0, 0)),  # top side, from the top left corner
        (_SOUTH, inside & ~padded[1:-1, 2:], (1, 0)),
        (_WEST, inside & ~padded[2:, 1:-1], (1, 1)),
        (_NORTH, inside & ~padded[1:-1, :-2], (0, 1)),
    )
    ways: dict[Point, list[int]] = defaultdict(list)
    for way, sides, (right, down) in rims:
        rows, columns = np.nonzero(sides)
        for x, y in zip(_plain(columns + right), _plain(rows + down), strict=True):
            ways[x, y].append(way)
    return ways


def _loops(ways: dict[Point, list[int]]) -> list[list[Point]]:
    """Follow every border once, all around; uses ``ways`` up. Holes that touch may be one loop."""
    loops = []
    while ways:
        point, (way, *_) = next(iter(ways.items()))
        loop = []
        while point in ways:
            way = _next_way(ways, point, way)
            loop.append(point)
            point = (point[0] + _STEPS[way][0], point[1] + _STEPS[way][1])
        loops.append(loop)
    return loops


def _next_way(ways: dict[Point, list[int]], point: Point, came: int) -> int:
    """Take a way out of ``point``: the left one of two, which joins pixels that touch there."""
    left = (came - 1) % 4
    way = left if left in ways[point] else ways[point][0]
    ways[point].remove(way)
    if not ways[point]:
        del ways[point]
    return way


def _corners(loop: list[Point]) -> list[Point]:
    """The points where the direction changes."""
    return [
        here
        for before, here, after in zip(
            [loop[-1], *loop[:-1]], loop, [*loop[1:], loop[0]], strict=True
        )
        if (here[0] - before[0], here[1] - before[1]) != (after[0] - here[0], after[1] - here[1])
    ]


def _area(loop: list[Point]) -> float:
    """Pixels inside, positive for an outer outline and negative for a hole."""
    pairs = zip(loop, [*loop[1:], loop[0]], strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs) / 2


def _plain(values: npt.NDArray[np.intp]) -> list[int]:
    numbers: list[int] = values.tolist()
    return numbers
