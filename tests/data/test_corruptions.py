"""Faults of pictures: of stated strength, the same every time, and harmless to their size."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.data.corruptions import BY_NAME, CORRUPTIONS, SEVERITIES, corrupted, defocus
from scunext_edge.data.synthetic import draw

NAMES = [it.name for it in CORRUPTIONS]


@pytest.fixture(scope="module")
def image():
    return draw(1, 2, (96, 128))[0]


def flat(value):
    return np.full((60, 80, 3), value, np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_is_the_same_every_time_and_worse_at_each_severity(image, name):
    before, how_far = image.copy(), []
    for severity in SEVERITIES:
        found = corrupted(image, BY_NAME[name], severity, "a")
        assert (found.shape, found.dtype) == (image.shape, np.uint8)
        np.testing.assert_array_equal(found, corrupted(image, BY_NAME[name], severity, "a"))
        how_far.append(np.abs(found.astype(int) - image).mean())
    np.testing.assert_array_equal(image, before)
    assert how_far == sorted(how_far)
    assert how_far[0] > 0


@pytest.mark.parametrize("name", ["motion", "noise", "hair"])
def test_what_is_drawn_belongs_to_the_picture(image, name):
    one, other = (corrupted(image, BY_NAME[name], 3, id) for id in ("a", "b"))
    assert (one != other).any()


def test_the_hairs_of_one_severity_are_among_those_of_the_next():
    skin = flat(220)
    few, more = (corrupted(skin, BY_NAME["hair"], it, "a").min(axis=2) < 110 for it in (2, 3))
    assert few.any()
    assert not (few & ~more).any()


@pytest.mark.parametrize("name", ["defocus", "motion"])
def test_blur_leaves_one_colour_as_it_is_up_to_the_border(name):
    for severity in SEVERITIES:
        np.testing.assert_array_equal(corrupted(flat(77), BY_NAME[name], severity, "a"), flat(77))


@pytest.mark.parametrize("name", ["defocus", "motion"])
def test_blur_moves_nothing(name):
    """A point becomes a spot around itself: its centre of mass stays."""
    image = np.zeros((101, 141, 3), np.uint8)
    image[50, 70] = 255
    image[48:53, 68:73] = 255
    found = corrupted(image, BY_NAME[name], 3, "a")[..., 0].astype(float)
    y, x = np.indices(found.shape)
    centre = ((y * found).sum() / found.sum(), (x * found).sum() / found.sum())
    assert centre == pytest.approx((50, 70), abs=0.1)
    assert found.sum() == pytest.approx(25 * 255, rel=0.1)  # rounded to whole gray levels


def test_a_disc_is_as_wide_as_it_says():
    image = np.zeros((200, 300, 3), np.uint8)
    image[100, 150] = 255
    spot = defocus(image * 1, 0.02, np.random.default_rng(0))[100, :, 0] > 2
    assert spot.sum() == 2 * 4 + 1  # 2 % of 200 pixels to each side


def test_darkness_is_a_factor_and_noise_has_its_spread():
    assert (corrupted(flat(200), BY_NAME["darkness"], 2, "a") == 100).all()
    noisy = corrupted(flat(128), BY_NAME["noise"], 2, "a").astype(float)
    assert noisy.std() == pytest.approx(20, rel=0.05)
    assert noisy.mean() == pytest.approx(128, abs=1)


def test_a_severity_that_there_is_not_is_refused(image):
    with pytest.raises(ValueError, match="1 to 5, not 0"):
        corrupted(image, BY_NAME["noise"], 0, "a")
