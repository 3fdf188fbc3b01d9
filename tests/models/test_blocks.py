from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from scunext_edge.models.blocks import CBAM, SHIFTS, DecoderStep, EncoderStep, shift, upsample


def rolled(tokens_nhwc, axis):
    """The definition: pad with zeros, roll the groups of ``chunk``, cut the padding off."""
    reach = max(SHIFTS)
    padded = functional.pad(tokens_nhwc, (0, 0, reach, reach, reach, reach))
    groups = [
        torch.roll(group, by, axis)
        for by, group in zip(SHIFTS, torch.chunk(padded, len(SHIFTS), dim=3), strict=True)
    ]
    return torch.cat(groups, 3)[:, reach:-reach, reach:-reach]


@pytest.mark.parametrize("channels", [32, 64, 128, 160, 256])
@pytest.mark.parametrize("axis", [1, 2])
def test_shift_is_bit_equal_to_rolling_zero_padded_tokens(channels, axis):
    tokens = torch.randn(2, 6, 9, channels)
    assert torch.equal(shift(tokens, axis), rolled(tokens, axis))


def test_shift_moves_the_first_group_towards_the_start_and_the_last_towards_the_end():
    tokens = torch.zeros(1, 1, 7, 10)
    tokens[0, 0, 3] = 1
    moved = shift(tokens, axis=2)
    assert [int(moved[0, 0, :, channel].argmax()) for channel in range(0, 10, 2)] == [1, 2, 3, 4, 5]


def test_shift_loses_what_leaves_the_picture():
    moved = shift(torch.ones(1, 4, 4, 5), axis=1)
    assert moved.sum((0, 1, 2)).tolist() == [8, 12, 16, 12, 8]


def test_attention_keeps_the_shape_and_never_amplifies():
    features = torch.randn(2, 8, 5, 7)
    attended = CBAM(8)(features)
    assert attended.shape == features.shape
    assert (attended.abs() <= features.abs()).all()


def test_attention_of_few_channels_still_has_eight_hidden_units():
    assert [CBAM(channels).squeeze.out_channels for channels in (8, 64, 128, 256)] == [8, 8, 8, 16]


def test_a_step_down_halves_and_a_step_up_doubles():
    features = torch.randn(1, 3, 8, 12)
    assert EncoderStep(3, 5)(features).shape == (1, 5, 4, 6)
    assert DecoderStep(3, 5)(features).shape == (1, 5, 16, 24)


def test_upsampling_has_half_pixel_centres():
    ramp = torch.tensor([[[[0.0, 4.0]]]])
    assert upsample(ramp)[0, 0, 0].tolist() == [0, 1, 3, 4]
