"""What is measured moves with what it is named after, and with little else."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from scunext_edge.data.synthetic import draw
from scunext_edge.quality.signals import looks, measure, to_gray

SIDE = 128


@pytest.fixture(scope="module")
def picture():
    return draw(3, 4, (SIDE, SIDE))


def logits_of(mask, inside=6.0, outside=-6.0):
    return np.where(mask, inside, outside).astype(np.float32)


def blurred(image, sigma):
    return np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma)))


def test_blur_lowers_the_sharpness_and_darkness_does_not(picture):
    image, mask = picture
    at = [measure(blurred(image, s), logits_of(mask))["sharpness"] for s in (0, 1, 2, 4)]
    assert at == sorted(at, reverse=True)
    assert at[2] < at[0] / 2
    dark = measure((image // 2), logits_of(mask))["sharpness"]
    assert dark == pytest.approx(at[0], rel=0.15)


def test_sharpness_is_the_spread_of_the_laplacian_over_the_mean_gray():
    image = np.full((5, 5, 3), 100, np.uint8)
    image[2, 2] = 200
    gray = to_gray(image).astype(float)
    laplacian = [400.0, *[-100.0] * 4, *[0.0] * 4]
    got = measure(image, np.zeros((5, 5), np.float32))["sharpness"]
    assert got == pytest.approx(np.std(laplacian) / gray.mean())


@pytest.mark.parametrize("side", [4, 32, 33])
def test_light_and_white_of_a_flat_picture_are_its_gray(side):
    for gray, white in ((7, 0.0), (244, 0.0), (245, 1.0), (255, 1.0)):
        image = np.full((side, side, 3), gray, np.uint8)
        found = measure(image, np.zeros((side, side), np.float32))
        assert (found["light"], found["white"], found["sharpness"]) == (gray, white, 0.0)


def test_light_is_what_a_tenth_of_the_picture_exceeds():
    image = np.repeat(np.arange(100, dtype=np.uint8).reshape(10, 10, 1), 3, axis=2)
    assert measure(image, np.zeros((10, 10), np.float32))["light"] == 89.0


def test_reflections_count_near_the_mask_alone(picture):
    image, _ = picture
    mask = np.zeros((SIDE, SIDE), bool)
    mask[40:80, 40:80] = True
    image = np.minimum(image, 180)
    near, far = image.copy(), image.copy()
    near[36:40, 50:60] = 255  # outside of the mask, and within an eighth of its side
    far[10:14, 50:60] = 255
    assert measure(near, logits_of(mask))["glare"] == pytest.approx(40 / 50**2)
    assert measure(far, logits_of(mask))["glare"] == 0.0


def test_light_skin_is_no_reflection():
    image = np.full((SIDE, SIDE, 3), 240, np.uint8)
    assert measure(image, np.zeros((SIDE, SIDE), np.float32))["glare"] == 0.0


def test_found_is_the_mean_of_the_surest_two_hundredth():
    logits = np.full((20, 20), -3, np.float32)
    logits[0, :2] = (4, 5)
    found = measure(np.zeros((20, 20, 3), np.uint8), logits)
    assert found["found"] == 4.5


def test_confidence_is_the_dice_to_be_expected():
    """Pixels that are lesion with probability p, drawn many times: their mean Dice."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (40, 40)).astype(np.float32)
    chance, mask = 1 / (1 + np.exp(-logits.astype(float))), logits > 0
    drawn = rng.random((400, 40, 40)) < chance
    dice = 2 * (drawn & mask).sum((1, 2)) / (mask.sum() + drawn.sum((1, 2)))
    got = measure(np.zeros((40, 40, 3), np.uint8), logits)["confidence"]
    assert got == pytest.approx(dice.mean(), abs=0.003)


def test_an_empty_mask_has_no_confidence():
    got = measure(np.zeros((40, 40, 3), np.uint8), np.full((40, 40), -5, np.float32))
    assert got["confidence"] == 0.0


def test_engines_that_clip_their_logits_and_those_that_do_not_measure_alike(picture):
    image, mask = picture
    assert measure(image, logits_of(mask, 30, -30)) == measure(image, logits_of(mask, 8, -8))


def test_looks_are_finite_even_of_a_flat_picture():
    for gray in (0, 255):
        assert np.isfinite(looks(np.full((SIDE, SIDE, 3), gray, np.uint8))).all()
