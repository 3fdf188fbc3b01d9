"""What a step does is counted, and the least that it can take follows from rates."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scunext_edge.models import registry
from scunext_edge.models.counters import count_by_torch
from scunext_edge.training.limit import Operation, Rates, least, operations, rates_of
from scunext_edge.training.recipe import preset
from scunext_edge.training.speed import _ours

RATES = Rates(flops_per_s={"fp32": 1e9, "bf16": 4e9}, bytes_per_s={100: 2e9, 1000: 1e9})


def one(name: str, flops: int, precision: str, moved: int) -> Operation:
    return Operation(name=name, flops=flops, precision=precision, moved_bytes=moved)


@pytest.mark.parametrize(
    ("layer", "forward"),
    [
        (nn.Conv2d(4, 6, 3, padding=1, bias=False), 2 * 8 * 8 * 6 * 4 * 9),
        (nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), 2 * 8 * 8 * 6 * 9),
        (nn.ConvTranspose2d(4, 6, 2, stride=2, bias=False), 2 * 8 * 8 * 4 * 6 * 4),
    ],
)
def test_a_convolution_counts_once_forward_and_once_for_each_gradient(layer, forward):
    image = torch.randn(1, layer.in_channels, 8, 8, requires_grad=True)
    count = {it.name: it.flops for it in operations(lambda: layer(image).sum().backward())}
    assert count["convolution"] == forward
    assert count["convolution_backward"] == 2 * forward
    fixed = image.detach()
    count = {it.name: it.flops for it in operations(lambda: layer(fixed).sum().backward())}
    assert count["convolution_backward"] == forward  # the image needs no gradient


def test_products_and_bytes_of_simple_operations():
    left, right = torch.randn(3, 5), torch.randn(5, 7)
    (product,) = operations(lambda: left @ right)
    assert (product.flops, product.moved_bytes) == (2 * 3 * 5 * 7, 4 * (15 + 35 + 21))
    (half,) = operations(lambda: left.bfloat16())
    assert (half.flops, half.moved_bytes) == (0, 15 * (4 + 2))
    assert operations(lambda: left.t()) == []
    (added,) = operations(lambda: left + left[:1].expand(3, 5))[-1:]
    assert added.moved_bytes <= 3 * 4 * 15


def test_a_step_of_ours_is_nearly_three_times_its_forward_pass():
    recipe = preset("fast", size=64, batch=2, precision="bf16")
    step = _ours("scunext", recipe)
    image, truth = torch.rand(2, 64, 64, 3) * 255, torch.ones(2, 1, 64, 64)
    found = operations(lambda: step(image, truth))
    meta = registry.build("scunext").eval().to("meta")
    macs = count_by_torch(meta, torch.zeros(1, 3, 64, 64, device="meta"))[0].macs
    forward = 2 * macs * 2
    assert 2.7 * forward < sum(it.flops for it in found) <= 3.05 * forward
    assert {it.precision for it in found if it.flops} == {"bf16"}
    assert any(it.name.startswith("_foreach") or "adam" in it.name for it in found)


def test_an_operation_takes_the_longer_of_its_two_times():
    found = least([one("mm", 1000, "fp32", 100), one("add", 0, "fp32", 1000)], RATES)
    assert (found.compute_ns, found.memory_ns) == (1000, 1000)
    quicker = least([one("mm", 1000, "bf16", 100)], RATES)
    assert quicker.compute_ns == 250
    small = least([one("add", 0, "fp32", 10)], RATES)
    assert small.memory_ns == 5  # as fast as the fastest copy: a limit may be short, never long


def test_rates_are_those_of_this_device():
    rates = rates_of(torch.device("cpu"))
    assert set(rates.flops_per_s) == {"fp32", "bf16"}
    assert all(rate > 0 for rate in (*rates.flops_per_s.values(), *rates.bytes_per_s.values()))
    assert rates.bandwidth(1) >= rates.bandwidth(1 << 40) > 0
