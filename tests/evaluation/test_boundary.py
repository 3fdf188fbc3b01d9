"""Outlines are measured in pixels, by MONAI, in processes that share the images out."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.data.images import write_mask
from scunext_edge.data.source import Source
from scunext_edge.evaluation.boundary import boundaries

pytest.importorskip("monai")

SOURCE = Source(count=3, seed=1)


def moved(mask, by):
    return np.roll(mask, by, axis=1)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The truth itself, the truth 3 pixels to the side, and nothing at all."""
    folder, dataset = tmp_path_factory.mktemp("masks"), SOURCE.open()
    ways = {
        "same": lambda mask: mask,
        "aside": lambda mask: moved(mask, 3),
        "none": lambda mask: mask & False,
    }
    for name, change in ways.items():
        for index in range(len(dataset)):
            sample = dataset[index]
            write_mask(folder / name / f"{sample.id}.png", change(sample.mask_hw))
    folders = {name: folder / name for name in ways}
    return boundaries(SOURCE, dataset.ids, folders, tolerance=1, workers=2)


def test_every_image_of_every_folder_is_there_in_order(found):
    assert {tuple(rows) for rows in found.values()} == {tuple(SOURCE.open().ids)}


def test_the_same_outline_is_no_pixel_away(found):
    assert {(it.hd95, it.nsd) for it in found["same"].values()} == {(0.0, 1.0)}


def test_an_outline_that_was_moved_is_as_far_away_as_it_was_moved(found):
    for it in found["aside"].values():
        assert 2 <= it.hd95 <= 3
        assert 0 < it.nsd < 0.9


def test_where_nothing_was_found_there_is_no_distance(found):
    assert {(it.hd95, it.nsd) for it in found["none"].values()} == {(None, 0.0)}
