"""MALUNet and EGE-UNet: what holds for both."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from scunext_edge.errors import ConfigError
from scunext_edge.models import registry
from scunext_edge.models.contract import Deployable
from scunext_edge.models.grouped import Dilated, Up, convolution, initialise
from scunext_edge.spec import ModelSpec

BOTH = {"malunet": 177_943, "egeunet": 53_374}


@pytest.fixture(params=BOTH)
def network(request):
    torch.manual_seed(0)
    return registry.build(request.param)


@pytest.mark.parametrize("name", BOTH)
def test_parameters_are_those_of_the_official_code(name):
    assert sum(p.numel() for p in registry.build(name).parameters()) == BOTH[name]


def test_logits_have_the_sides_of_the_image(network):
    with torch.no_grad():
        assert network.eval()(torch.rand(2, 3, 64, 96)).shape == (2, 1, 64, 96)


def test_logits_are_no_probabilities(network):
    with torch.no_grad():
        network.final.bias.fill_(-3.0)
        network.final.weight.zero_()
        logits = network(torch.rand(1, 3, 32, 32))
    torch.testing.assert_close(logits, torch.full((1, 1, 32, 32), -3.0))


def test_images_of_a_batch_do_not_see_each_other(network):
    """Two batches of one size: one and two images take other kernels, which round otherwise."""
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        beside_one, beside_other = network(images[[0, 1]]), network(images[[0, 2]])
    torch.testing.assert_close(beside_one[0], beside_other[0], atol=1e-6, rtol=1e-6)
    assert not torch.allclose(beside_one[1], beside_other[1], atol=1e-3)


def test_every_weight_learns(network):
    logits = network(torch.rand(2, 3, 64, 96))
    logits.square().mean().backward()
    assert torch.isfinite(logits).all()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if parameter.ndim > 1:
            assert parameter.grad.abs().max() > 0, name


def test_sides_that_are_no_multiples_of_32_are_refused(network):
    with pytest.raises(ConfigError, match="multiples of 32"):
        network(torch.rand(1, 3, 64, 40))


@pytest.mark.slow
def test_an_export_computes_what_the_network_computes(network):
    pytest.importorskip("onnxscript")
    from scunext_edge.export import parity
    from scunext_edge.export.forwards import onnx_forward, torch_forward
    from scunext_edge.export.to_onnx import trace

    images = parity.default_images(64, 3)
    deployable = Deployable(network, ModelSpec(size=64)).eval()
    found = onnx_forward(trace(deployable, 64))(images)
    # norms over the four pixels of the bottom multiply rounding errors by some hundreds
    torch.testing.assert_close(
        torch.from_numpy(found),
        torch.from_numpy(torch_forward(deployable)(images)),
        atol=1e-3,
        rtol=1e-3,
    )


def test_a_step_up_keeps_the_corners_of_a_map():
    up = Up(nn.Identity(), 4).eval()
    x = torch.rand(1, 4, 3, 5)
    with torch.no_grad():
        expected = nn.functional.gelu(up.norm(x))
        assert up(x).shape == (1, 4, 6, 10)
        for row in (0, -1):
            torch.testing.assert_close(up(x)[:, :, row, ::9], expected[:, :, row, ::4])


@pytest.mark.parametrize("dilation", [1, 2, 7])
def test_dilated_gradients_are_right_in_bfloat16(dilation):
    torch.manual_seed(0)
    layer, image = Dilated(6, dilation), torch.randn(4, 6, 32, 32)
    weight = layer.conv.weight
    image = image.contiguous(memory_format=torch.channels_last)
    (expected,) = torch.autograd.grad(layer(image).square().sum(), weight)
    with torch.autocast("cpu", torch.bfloat16):
        seen = layer(image)
    (found,) = torch.autograd.grad(seen.float().square().sum(), weight)
    # bfloat16 has 8 bits: a sum of 4,096 products errs by less than a hundredth of the largest
    assert (found - expected).abs().max() < 0.01 * expected.abs().max()


def test_first_weights_have_the_spread_of_the_official_codes():
    torch.manual_seed(0)
    layers = nn.ModuleList(
        (
            convolution(64, 128),
            nn.Conv2d(256, 256, 3, groups=256),  # fan-out of one channel
            nn.Conv2d(256, 256, (3, 1), groups=256),  # fan-out of all, as of their Conv1d
            nn.Linear(128, 64),
        )
    )
    initialise(layers)
    spreads = [float(layer.weight.detach().std()) for layer in layers]
    expected = [math.sqrt(2 / (9 * 128)), math.sqrt(2 / 9), math.sqrt(2 / (3 * 256)), 0.02]
    assert spreads == pytest.approx(expected, rel=0.1)
    assert not any(layer.bias.any() for layer in layers)
