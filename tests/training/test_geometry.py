from __future__ import annotations

import numpy as np
import pytest
import torch

from scunext_edge.training import geometry


@pytest.fixture
def picture():
    """A disc off the centre; the red channel is the mask, green a ramp."""
    rows, columns = np.mgrid[:64, :64]
    mask = ((rows - 24) ** 2 + (columns - 40) ** 2 < 144).astype(np.uint8)
    image = np.stack((255 * mask, 4 * rows.astype(np.uint8), 0 * mask))
    return torch.from_numpy(image)[None], torch.from_numpy(mask)[None, None]


# the share of pixels in which both may differ: those of the edge that are rounded another way
APART = {"turned": 0.0, "moved": 0.001, "close_up": 0.008, "cropped": 0.015}


@pytest.mark.parametrize("way", APART)
def test_picture_and_mask_go_together(picture, way):
    rng = np.random.default_rng(5)
    for _ in range(8):
        options = (2.0,) if way == "moved" else ()
        image, mask = getattr(geometry, way)(*picture, *options, rng)
        assert image.shape == (1, 3, 64, 64)
        assert mask.shape == (1, 1, 64, 64)
        assert set(mask.unique().tolist()) <= {0, 1}
        differ = (image[0, 0].float() >= 127.5) != mask[0, 0].bool()
        assert differ.float().mean() <= APART[way]
        assert mask.any()


def test_a_moved_picture_is_larger_or_smaller_at_most_as_often_as_asked(picture):
    rng, areas = np.random.default_rng(0), []
    _, whole = picture
    for _ in range(60):
        disc = torch.zeros_like(whole)
        disc[..., 24:40, 24:40] = 1
        _, mask = geometry.moved(picture[0], disc, 1.5, rng)
        areas.append(float(mask[..., 12:52, 12:52].sum()) / 256)
    assert min(areas) > 0.9 / 1.5**2
    assert max(areas) < 1.1 * 1.5**2
    assert min(areas) < 0.6  # and it does use the range, both ways
    assert max(areas) > 1.6


def test_a_moved_lesion_keeps_its_area_but_for_the_scale(picture):
    rng, before = np.random.default_rng(3), float(picture[1].sum())
    areas = [float(geometry.moved(*picture, 1.0, rng)[1].sum()) for _ in range(30)]
    assert np.mean(areas) == pytest.approx(
        before, rel=0.015
    )  # a mask cut at 200 of 255 has 4 % less


def test_moving_by_nothing_gives_the_picture_back(picture):
    class Nothing:
        def uniform(self, low, high, size=None):
            return np.zeros(size) if size else 0.0

    image, mask = geometry.moved(*picture, 1.4, Nothing())
    torch.testing.assert_close(image, picture[0].float(), atol=1e-2, rtol=0)
    assert torch.equal(mask, picture[1])


def test_a_close_up_shows_lesion_and_skin(picture):
    rng = np.random.default_rng(1)
    for _ in range(20):
        _, mask = geometry.close_up(*picture, rng)
        assert 0 < float(mask.float().mean()) < 1


@pytest.mark.parametrize("value", [0, 1])
def test_a_close_up_of_a_lesion_without_an_edge_is_anywhere(picture, value):
    image, mask = geometry.close_up(
        picture[0], torch.full_like(picture[1], value), np.random.default_rng(0)
    )
    assert image.shape == (1, 3, 64, 64)
    assert bool((mask == value).all())


def test_the_edge_is_the_lesions_outermost_pixels_and_not_the_frame():
    mask = np.zeros((6, 6), np.uint8)
    mask[:, :3] = 1
    assert geometry.edge_points(mask).tolist() == [[row, 2] for row in range(6)]
