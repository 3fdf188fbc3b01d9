from __future__ import annotations

import pytest
import torch

from scunext_edge.errors import ConfigError
from scunext_edge.models import registry
from scunext_edge.models.unet import UNet


@pytest.mark.parametrize(("name", "params"), [("unet", 7_852_545), ("unet-paper", 9_040_801)])
def test_parameters_are_those_of_the_reference(name, params):
    assert sum(p.numel() for p in registry.build(name).parameters()) == params


def test_logits_have_the_side_lengths_of_the_image():
    with torch.no_grad():
        assert UNet((4, 6, 8, 10, 12)).eval()(torch.rand(2, 3, 64, 96)).shape == (2, 1, 64, 96)


def test_number_of_levels_follows_the_widths():
    with torch.no_grad():
        assert UNet((4, 8, 16)).eval()(torch.rand(1, 3, 32, 32)).shape == (1, 1, 32, 32)


def test_every_parameter_learns():
    torch.manual_seed(0)
    network = UNet((4, 6, 8, 10, 12))
    logits = network(torch.rand(2, 3, 64, 96))
    logits.square().mean().backward()
    assert torch.isfinite(logits).all()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # batch norm takes out the mean, so the bias of the convolution before it has no effect
        if parameter.ndim > 1:
            assert parameter.grad.abs().max() > 0, name


def test_skips_reach_the_logits_at_every_level():
    torch.manual_seed(0)
    network = UNet((4, 6, 8, 10, 12)).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = network(image)
        for level, stage in enumerate(network.decoder):
            weight = stage[0].weight
            kept = weight.clone()
            weight[:, : weight.shape[0]] = 0  # the skip's channels come first
            assert not torch.equal(network(image), before), level
            weight.copy_(kept)


def test_sides_that_are_no_multiples_of_32_are_refused():
    with pytest.raises(ConfigError, match="multiples of 32"):
        UNet((4, 8))(torch.rand(1, 3, 64, 40))
