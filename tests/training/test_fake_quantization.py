"""Rounding as QuantizeLinear and DequantizeLinear do it, and gradients as if it were not there."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from scunext_edge.errors import ExportError
from scunext_edge.training.fake_quantization import (
    CODES,
    FakeQuantized,
    Rounding,
    fake_quantize,
    round_weight,
)
from scunext_edge.training.folding import fold
from scunext_edge.training.placement import Placed


def as_specified(values, scale, least, most):
    """QuantizeLinear and DequantizeLinear of the ONNX specification, in float32."""
    codes = np.clip(np.rint(values / scale), least, most).astype(np.int8)
    return codes.astype(np.float32) * scale


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 2, shape).astype(np.float32)


@pytest.mark.parametrize("limits", [CODES, (-127, 127), (-7, 7)])
def test_it_is_the_arithmetic_of_the_specification_to_the_bit(limits):
    values = drawn(10_000)
    for scale in (np.float32(0.0113), np.float32(0.5), np.float32(2.7)):
        found = fake_quantize(torch.tensor(values), torch.tensor(scale), *limits)
        np.testing.assert_array_equal(found.numpy(), as_specified(values, scale, *limits))


def test_onnx_runtime_agrees_to_the_bit():
    onnx = pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    scale = np.float32(0.031)
    constants = [
        numpy_helper.from_array(np.array(scale), "scale"),
        numpy_helper.from_array(np.array(0, np.int8), "zero"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["y"]),
    ]
    x, y = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N"]) for name in ("x", "y")
    )
    model = helper.make_model(
        helper.make_graph(nodes, "pair", [x], [y], constants),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    values = np.concatenate([drawn(5000), (np.arange(-140, 140) + 0.5).astype(np.float32) * scale])
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": values})
    found = fake_quantize(torch.tensor(values), torch.tensor(scale), *CODES)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_ties_go_to_the_even_code_and_codes_saturate():
    values = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 1000.0, -1000.0])
    found = fake_quantize(values, torch.tensor(1.0), *CODES)
    assert found.tolist() == [0, 2, 2, 0, -2, 127, -128]


def test_gradients_pass_within_the_range_and_end_beyond_it():
    values = torch.tensor([0.2, 0.3, -6.9, 7.4, 7.6, -9.0], requires_grad=True)
    weights = torch.tensor([1.0, -2.0, 3.0, 4.0, 5.0, 6.0])
    (fake_quantize(values, torch.tensor(1.0), -7, 7) * weights).sum().backward()
    assert values.grad.tolist() == [1, -2, 3, 4, 0, 0]


@pytest.mark.parametrize(("axis", "scales"), [(None, 1), (0, 4), (1, 3)])
def test_the_largest_magnitude_of_a_weight_has_the_largest_code(axis, scales):
    weight = torch.tensor(drawn(4, 3, 2, 2))
    found = round_weight(weight, Rounding(axis=axis, top=7, input_scale=1.0))
    groups = [found] if axis is None else list(found.unbind(axis))
    before = [weight] if axis is None else list(weight.unbind(axis))
    assert len(groups) == scales
    for group, was in zip(groups, before, strict=True):
        step = was.abs().max() / 7
        codes = group / step
        assert torch.allclose(codes, codes.round(), atol=1e-5)
        assert codes.abs().max().item() == pytest.approx(7)
        assert ((group - was).abs() <= 0.5001 * step).all()


def test_a_weight_of_zeros_stays_zero():
    weight = torch.zeros(2, 3, requires_grad=True)
    found = round_weight(weight, Rounding(axis=0, top=7, input_scale=1.0))
    found.sum().backward()
    assert not found.any()
    assert torch.equal(weight.grad, torch.ones(2, 3))


class Small(nn.Module):
    """A convolution without a bias and one with, a deconvolution, each before a BatchNorm."""

    def __init__(self):
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.second, self.second_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.third, self.third_norm = nn.ConvTranspose2d(4, 4, 2), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.first_norm(self.first(x)).relu()
        x = self.second_norm(self.second(x)).relu()
        return self.third_norm(self.third(x))


@pytest.fixture
def small():
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        network = Small().eval()
        for it in network.modules():
            if isinstance(it, nn.BatchNorm2d):
                it.running_mean.normal_()
                it.running_var.uniform_(0.5, 2)
                it.weight.uniform_(0.5, 2)
                it.bias.normal_()
    return network


def places(network):
    """As an exporter would have folded it."""
    found = []
    for name, axis in (("first", 0), ("second", 0), ("third", 1)):
        norm = network.get_submodule(f"{name}_norm")
        factor = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
        shape = [-1 if at == axis else 1 for at in range(4)]
        weight = network.get_submodule(name).weight.detach() * factor.view(shape)
        found.append(Placed(node=name, weight=weight.numpy(), axis=axis, top=127, input_scale=0.05))
    return found


def test_batch_norms_are_folded_with_and_without_a_bias(small):
    images = torch.tensor(drawn(2, 3, 8, 8))
    with torch.no_grad():
        before = small(images)
        layers = fold(small, places(small))
        assert list(layers) == ["first", "second", "third"]
        assert torch.allclose(small(images), before, atol=1e-5)
    for name in layers:
        norm = small.get_submodule(f"{name}_norm")
        assert torch.equal(norm.weight, torch.ones(4))
        assert not norm.running_mean.any()
        assert norm.bias.requires_grad == (name == "first")
        assert norm.bias.any() == (name == "first")


def test_a_norm_takes_no_statistics_in_training(small):
    network = FakeQuantized(small, fold(small, places(small)))
    network.train()
    before = copy.deepcopy(small.state_dict())
    network(torch.tensor(drawn(2, 3, 8, 8)))
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())


def test_weights_and_inputs_of_the_placed_layers_are_rounded_and_the_weights_stay(small):
    layers = fold(small, places(small))
    met = {}
    small.second.register_forward_hook(
        lambda layer, inputs, output: met.update(read=inputs[0], weight=layer.weight.clone())
    )
    kept = small.second.weight.clone()
    network = FakeQuantized(small, layers)
    network(torch.tensor(drawn(2, 3, 8, 8)))
    codes = met["read"] / 0.05
    assert torch.allclose(codes, codes.round(), atol=1e-4)
    assert torch.equal(met["weight"], round_weight(kept, layers["second"]))
    assert torch.equal(small.second.weight, kept)


def test_a_copy_rounds_too_and_learns_for_itself(small):
    """The average of the weights is such a copy."""
    network = FakeQuantized(small, fold(small, places(small)))
    other = copy.deepcopy(network)
    images = torch.tensor(drawn(2, 3, 8, 8))
    assert torch.equal(network(images), other(images))
    other.network.first.weight.data.mul_(1.5)
    assert not torch.equal(network(images), other(images))


def test_every_rounded_weight_gets_a_gradient(small):
    network = FakeQuantized(small, fold(small, places(small)))
    network(torch.tensor(drawn(2, 3, 8, 8))).square().mean().backward()
    for name in network.layers:
        assert small.get_submodule(name).weight.grad.any(), name


def test_a_place_that_no_layer_has_is_an_error(small):
    first, *others = places(small)
    other = Placed(node="x", weight=first.weight + 1, axis=0, top=127, input_scale=1.0)
    with pytest.raises(ExportError, match="the weights of x are those of no layer"):
        fold(small, [*others, other])


def test_one_layer_does_not_take_two_places(small):
    first, *others = places(small)
    with pytest.raises(ExportError, match="no layer"):
        fold(small, [first, *others, first])
