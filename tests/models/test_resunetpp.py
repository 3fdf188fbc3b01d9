from __future__ import annotations

import pytest
import torch

from scunext_edge.errors import ConfigError
from scunext_edge.models import registry
from scunext_edge.models.resunetpp import Attention, DilatedPyramid, ResUNetPP, SqueezeExcitation

NARROW = (8, 8, 16, 16, 24)


@pytest.mark.parametrize(
    ("name", "params"), [("resunetpp", 4_062_993), ("resunetpp-paper", 7_672_285)]
)
def test_parameters_are_those_of_the_reference(name, params):
    assert sum(p.numel() for p in registry.build(name).parameters()) == params


def test_logits_have_the_side_lengths_of_the_image():
    with torch.no_grad():
        assert ResUNetPP(NARROW).eval()(torch.rand(2, 3, 64, 96)).shape == (2, 1, 64, 96)


def test_logits_are_no_probabilities():
    torch.manual_seed(0)
    network = ResUNetPP(NARROW).eval()
    with torch.no_grad():
        network.head.bias.fill_(-3.0)
        assert network(torch.rand(1, 3, 32, 32)).min() < 0


def test_every_weight_learns():
    torch.manual_seed(0)
    network = ResUNetPP(NARROW)
    logits = network(torch.rand(2, 3, 64, 96))
    logits.square().mean().backward()
    assert torch.isfinite(logits).all()
    # one hidden unit of eight channels may be dead in a random start: its gate is left out
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if parameter.ndim > 1 and "gate" not in name:
            assert parameter.grad.abs().max() > 0, name


def test_squeeze_and_excitation_scales_channels_alike_at_every_pixel():
    torch.manual_seed(0)
    features = torch.rand(2, 16, 4, 6) + 0.1
    with torch.no_grad():
        ratio = SqueezeExcitation(16)(features) / features
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))
    assert (ratio > 0).all()
    assert (ratio < 1).all()


def test_attention_multiplies_the_deep_features():
    torch.manual_seed(0)
    attention = Attention(skip=4, deep=6).eval()
    deep = torch.rand(1, 6, 8, 8)
    deep[:, :, 2:5] = 0
    with torch.no_grad():
        weighted = attention(torch.rand(1, 4, 16, 16), deep)
    assert weighted.shape == deep.shape
    assert torch.equal(weighted == 0, deep == 0)


def test_pyramid_sees_18_pixels_far_and_no_further():
    torch.manual_seed(0)
    pyramid = DilatedPyramid(1, 1).eval()
    image = torch.zeros(1, 1, 64, 64)
    with torch.no_grad():
        rest = pyramid(image)
        image[0, 0, 32, 32] = 1
        touched = (pyramid(image) != rest)[0, 0].nonzero()
    reach = sorted({abs(int(row) - 32) for row in touched[:, 0]})
    assert reach == [0, 1, 6, 12, 18]


def test_sides_that_are_no_multiples_of_32_are_refused():
    with pytest.raises(ConfigError, match="multiples of 32"):
        ResUNetPP(NARROW)(torch.rand(1, 3, 40, 64))
