from __future__ import annotations

import pytest
import torch
from torch import nn

from scunext_edge.errors import ConfigError
from scunext_edge.models.contract import Deployable
from scunext_edge.spec import ModelSpec

SPEC = ModelSpec(size=32)


class Mean(nn.Module):
    """Logits that give the normalised image away: the mean over its channels."""

    def forward(self, x):
        return x.mean(1, keepdim=True)


@pytest.fixture
def image():
    return torch.randint(0, 256, (2, 32, 64, 3), dtype=torch.uint8)


def by_hand(image):
    pixels = (image.double() / 255 - torch.tensor(SPEC.mean)) / torch.tensor(SPEC.std)
    return pixels.permute(0, 3, 1, 2)


def test_normalisation_is_that_of_the_card(image):
    network = Deployable(Mean(), SPEC)
    normalised = network.normalise(image.float().permute(0, 3, 1, 2))
    torch.testing.assert_close(normalised.double(), by_hand(image), rtol=0, atol=2e-6)


def test_bytes_go_in_and_float32_logits_come_out(image):
    logits = Deployable(Mean(), SPEC)(image)
    assert logits.dtype == torch.float32
    expected = by_hand(image).mean(1, keepdim=True)
    torch.testing.assert_close(logits.double(), expected, rtol=0, atol=2e-6)


def test_float_pixels_are_taken_as_bytes_are(image):
    network = Deployable(Mean(), SPEC)
    assert torch.equal(network(image), network(image.float()))


def test_weights_hold_no_trace_of_the_normalisation():
    assert Deployable(Mean(), SPEC).state_dict() == {}


def test_sides_that_are_no_multiples_of_32_are_refused():
    with pytest.raises(ConfigError, match="not 48x64"):
        Deployable(Mean(), SPEC)(torch.zeros(1, 48, 64, 3, dtype=torch.uint8))
