from __future__ import annotations

import torch

from scunext_edge.models.malunet import Bridge, ExternalAttention, GatedAttention, MALUNet


def test_external_attention_normalises_over_pixels_and_then_over_its_memory():
    torch.manual_seed(0)
    block = ExternalAttention(8)
    x = torch.randn(2, 8, 4, 6)
    with torch.no_grad():
        shares = block.keys(block.enter(x)).flatten(2).softmax(2)
        shares = shares / shares.sum(1, keepdim=True)
        read = block.norm(block.leave(block.values(shares.view(2, 32, 4, 6))))
        torch.testing.assert_close(block(x), torch.nn.functional.gelu(read + x))


def test_a_memory_is_written_as_it_is_read_at_first_and_free_afterwards():
    network = MALUNet()
    blocks = [it for it in network.modules() if isinstance(it, ExternalAttention)]
    assert len(blocks) == 6
    for block in blocks:
        assert torch.equal(block.values.weight, block.keys.weight.transpose(0, 1))
        assert block.values.weight.data_ptr() != block.keys.weight.data_ptr()


def test_gated_attention_looks_1_2_5_and_7_pixels_around():
    torch.manual_seed(0)
    block = GatedAttention(8, 8)
    x = torch.zeros(1, 8, 32, 32)
    x[..., 16, 16] = 1
    with torch.no_grad():
        for around, part, reach in zip(block.around, x.chunk(4, 1), (7, 5, 2, 1), strict=True):
            touched = (around(part) != around(torch.zeros_like(part)))[0].any(0).nonzero()
            assert sorted({abs(int(row) - 16) for row in touched[:, 0]}) == [0, reach]


def test_a_skip_is_weighed_by_the_channels_of_all_levels():
    torch.manual_seed(0)
    bridge = Bridge((4, 6))
    fine, coarse = torch.randn(1, 4, 16, 16), torch.randn(1, 6, 8, 8)
    with torch.no_grad():
        before, after = bridge((fine, coarse))[0], bridge((fine, coarse + 1))[0]
    assert before.shape == fine.shape
    assert not torch.equal(before, after)


def test_a_bridge_without_weights_doubles_and_halves_by_its_sigmoids():
    bridge = Bridge((4,))
    for parameter in bridge.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(1, 4, 8, 8)
    with torch.no_grad():  # u = x / 2, y = u + (u + x) / 2
        torch.testing.assert_close(bridge((x,))[0], 1.25 * x)
