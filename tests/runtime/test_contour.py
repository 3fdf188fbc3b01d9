"""Outlines against a flood fill, and drawings by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.runtime.contour import contour, overlay


def filled(polygon, shape):
    """The pixels whose centre lies inside: a crossing of the outline left of it toggles."""
    crossings = np.zeros((shape[0], shape[1] + 1), np.int64)
    for (x, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        assert x == x1 or y0 == y1, "a side is neither upright nor level"
        if x == x1:
            crossings[min(y0, y1) : max(y0, y1), x] += 1
    return np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1


def regions(mask, *, diagonal):
    """Every connected region of a mask, by flood fill."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    near = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if diagonal or 0 in (a, b)]
    found = []
    while left:
        todo = [left.pop()]
        region = np.zeros_like(mask)
        while todo:
            y, x = todo.pop()
            region[y, x] = True
            beside = {(y + a, x + b) for a, b in near} & left
            left -= beside
            todo += beside
        found.append(region)
    return found


def without_holes(region):
    outside = regions(~np.pad(region, 1), diagonal=False)
    (around,) = (it for it in outside if it[0, 0])
    return ~around[1:-1, 1:-1]


def test_a_rectangle_has_four_corners_clockwise_from_its_upper_left():
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:5] = True
    assert contour(mask) == [[(2, 1), (5, 1), (5, 3), (2, 3)]]


def test_a_mask_that_fills_the_image_is_outlined_by_the_image():
    assert contour(np.ones((2, 3), bool)) == [[(0, 0), (3, 0), (3, 2), (0, 2)]]


def test_an_empty_mask_has_no_outline():
    assert contour(np.zeros((4, 4), bool)) == []


def test_the_largest_region_comes_first():
    mask = np.zeros((8, 8), bool)
    mask[0, 0] = mask[3:7, 3:7] = mask[0, 3:6] = True
    widths = [max(x for x, _ in loop) - min(x for x, _ in loop) for loop in contour(mask)]
    assert widths == [4, 3, 1]


def test_a_hole_gives_no_outline_of_its_own():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    assert contour(mask) == [[(0, 0), (5, 0), (5, 5), (0, 5)]]


def test_pixels_that_touch_at_a_corner_are_one_region():
    assert len(contour(np.eye(3, dtype=bool))) == 1


def test_coordinates_are_plain_integers_fit_for_json():
    ((point, *_),) = contour(np.ones((1, 1), bool))
    assert [type(value) for value in point] == [int, int]


@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_each_outline_filled_is_one_region_without_its_holes(density):
    for seed in range(20):
        mask = np.random.default_rng(seed).random((12, 15)) < density
        got = {filled(loop, mask.shape).tobytes() for loop in contour(mask)}
        expected = {without_holes(it).tobytes() for it in regions(mask, diagonal=True)}
        assert len(contour(mask)) == len(expected)
        assert got == expected


def test_the_overlay_marks_the_rim_and_nothing_else():
    image = np.full((20, 20, 3), 100, np.uint8)
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    rim = mask.copy()
    rim[6:14, 6:14] = False
    changed = (overlay(image, mask) != image).any(axis=-1)
    np.testing.assert_array_equal(changed, rim)
    assert (image == 100).all(), "the image that was given is left alone"


def test_the_line_is_wider_in_a_large_image():
    image = np.zeros((900, 900, 3), np.uint8)
    mask = np.zeros((900, 900), bool)
    mask[100:800, 100:800] = True
    assert (overlay(image, mask)[400] != 0).any(axis=-1).sum() == 6


def test_an_overlay_with_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match="mask is"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), bool))
