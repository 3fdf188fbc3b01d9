"""SC-UNeXt in its four variants, and the two UNeXts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scunext_edge.errors import ConfigError
from scunext_edge.models import registry

VARIANTS = {
    (False, False): 253_561,
    (True, False): 247_053,
    (False, True): 255_988,
    (True, True): 249_480,
}


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def built(name, **options):
    torch.manual_seed(0)
    return registry.build(name, **options)


@pytest.mark.parametrize(("skip", "fuse"), VARIANTS)
def test_variants_have_the_parameters_that_the_card_promises(skip, fuse):
    assert count(registry.build("scunext", skip=skip, fuse=fuse)) == VARIANTS[skip, fuse]


def test_both_switches_are_on_unless_said_otherwise():
    assert count(registry.build("scunext")) == VARIANTS[True, True]


@pytest.mark.parametrize(("name", "parameters"), [("unext", 253_561), ("unext-l", 1_471_921)])
def test_unext_has_the_parameters_of_the_official_code(name, parameters):
    assert count(registry.build(name)) == parameters


def test_with_both_switches_off_it_is_unext_to_the_shape():
    mine, theirs = built("scunext", skip=False, fuse=False), built("unext")
    shapes = [sorted(tuple(v.shape) for v in n.state_dict().values()) for n in (mine, theirs)]
    assert shapes[0] == shapes[1]


def test_with_both_switches_off_it_computes_what_unext_computes():
    mine, theirs = built("scunext", skip=False, fuse=False).eval(), built("unext").eval()
    moved = {"mix4.": "skip4.mix.", "mix3.": "skip3.mix."}
    state = {
        next((new + key[len(old) :] for old, new in moved.items() if key.startswith(old)), key): v
        for key, v in theirs.state_dict().items()
    }
    mine.load_state_dict(state)
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(mine(image), theirs(image))


@pytest.mark.parametrize(("skip", "fuse"), VARIANTS)
def test_logits_have_the_sides_of_the_image(skip, fuse):
    network = built("scunext", skip=skip, fuse=fuse).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 3, 64, 96)).shape == (2, 1, 64, 96)


def feeds_a_batch_norm(network):
    """Biases that batch norm takes out again: they have no effect, so no gradient."""
    names = set()
    for name, module in network.named_modules():
        if isinstance(getattr(module, "bn", None), nn.BatchNorm2d):
            names.add(f"{name}.conv.bias")
    return names


@pytest.mark.parametrize(
    ("name", "options"),
    [*(("scunext", {"skip": s, "fuse": f}) for s, f in VARIANTS), ("unext", {}), ("unext-l", {})],
)
def test_every_parameter_learns_and_every_gradient_is_finite(name, options):
    network = built(name, **options).train()
    logits = network(torch.randn(2, 3, 64, 64))
    assert torch.isfinite(logits).all()
    logits.square().mean().backward()
    dead = []
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        if parameter.grad.abs().max() == 0:
            dead.append(key)
    assert set(dead) <= feeds_a_batch_norm(network)


@pytest.mark.parametrize("name", ["scunext", "unext", "unext-l"])
@pytest.mark.parametrize("sides", [(64, 48), (40, 64), (33, 33)])
def test_sides_that_are_no_multiples_of_32_are_refused(name, sides):
    with pytest.raises(ConfigError, match="multiples of 32") as caught:
        registry.build(name)(torch.randn(1, 3, *sides))
    assert caught.value.exit_code == 2


def test_cross_skip_looks_at_the_finer_level():
    network = built("scunext").eval()
    x, above, z = torch.randn(1, 16, 8, 8), torch.randn(1, 8, 16, 16), torch.randn(1, 16, 8, 8)
    with torch.no_grad():
        assert not torch.equal(network.skip2(x, above, z), network.skip2(x, above + 1, z))


def test_cross_skip_is_equation_2():
    network = built("scunext").eval()
    skip = network.skip2
    x, above, z = torch.randn(1, 16, 8, 8), torch.randn(1, 8, 16, 16), torch.randn(1, 16, 8, 8)
    with torch.no_grad():
        pooled = above.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
        semantic = skip.attend(x + skip.project(pooled))
        torch.testing.assert_close(skip(x, above, z), (semantic + z) * x + z)
