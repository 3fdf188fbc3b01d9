from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scunext_edge.training import colour
from scunext_edge.training.recipe import preset

LUMA = torch.tensor([0.299, 0.587, 0.114])


@pytest.fixture
def pixels():
    """Middling colours that no change takes out of the range."""
    return 100 + 55 * torch.rand(4, 16, 16, 3, generator=torch.Generator().manual_seed(0))


class Fixed:
    """Draws saturation, hue and gamma in turn."""

    def __init__(self, *values):
        self.values = list(values)

    def uniform(self, low, high, count):
        return np.full(count, self.values.pop(0))


def test_hue_and_saturation_keep_the_luma(pixels):
    found = colour.toned(pixels.clone(), 0.3, Fixed(0.2, 0.3, 0.0))
    assert not torch.allclose(found, pixels, atol=1)
    torch.testing.assert_close(found @ LUMA, pixels @ LUMA, atol=0.05, rtol=0)


def test_no_saturation_is_gray_and_gamma_is_a_power(pixels):
    gray = colour.toned(pixels.clone(), 1.0, Fixed(-1.0, 0.0, 0.0))
    torch.testing.assert_close(
        gray, (pixels @ LUMA)[..., None].expand(-1, -1, -1, 3), atol=0.05, rtol=0
    )
    dark = colour.toned(pixels.clone(), 1.0, Fixed(0.0, 0.0, np.log(2)))
    torch.testing.assert_close(dark, (pixels / 255).square() * 255, atol=0.05, rtol=0)


def test_a_share_of_the_pictures_is_degraded_and_the_rest_stays(pixels):
    many = pixels[:1].repeat(200, 1, 1, 1)
    recipe = replace(preset("fast"), colour=0.0, degrade=0.3)
    found = colour.changed(many.clone(), recipe, np.random.default_rng(0))
    changed = (found != many).flatten(1).any(1).float().mean()
    assert 0.2 < changed < 0.4
    assert float((found - many).abs().max()) < 80
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255


def test_a_blur_keeps_the_mean_and_smooths(pixels):
    image = pixels.permute(0, 3, 1, 2)
    found = colour._blurred(image, 1.0)
    assert found.shape == image.shape
    assert float(found.std()) < 0.5 * float(image.std())
    torch.testing.assert_close(found.mean(), image.mean(), atol=0.5, rtol=0)
