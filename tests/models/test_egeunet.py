from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from scunext_edge.models.egeunet import EGEUNet, GroupedSkip, HadamardAttention, LearnedMap


@pytest.mark.parametrize(
    ("shape", "expected"), [((8, 8), (20, 12)), ((8, 1), (20, 1)), ((1, 8), (1, 12))]
)
def test_a_learned_map_takes_the_size_of_the_features(shape, expected):
    assert LearnedMap(4, shape)(20, 12).shape == (1, 4, *expected)


def test_a_map_over_channels_and_rows_is_the_one_dimensional_form_of_the_official_code():
    torch.manual_seed(0)
    rows = LearnedMap(4, (8, 1))
    with torch.no_grad():
        rows.values.normal_()
        grown = functional.interpolate(rows.values[..., 0], 20, mode="linear", align_corners=True)
        depthwise = functional.conv1d(
            grown, rows.depthwise.weight[..., 0], rows.depthwise.bias, padding=1, groups=4
        )
        expected = functional.conv1d(
            functional.gelu(depthwise), rows.pointwise.weight[..., 0], rows.pointwise.bias
        )
        torch.testing.assert_close(rows(20, 12)[..., 0], expected)


def test_three_quarters_of_the_channels_are_multiplied_by_maps():
    torch.manual_seed(0)
    block = HadamardAttention(8, 8)
    met = []
    block.norm_out.register_forward_hook(lambda module, given, output: met.append(given[0]))
    x = torch.randn(1, 8, 16, 12)
    with torch.no_grad():
        block(x)
        normed = block.norm_in(x)
        maps = (block.pixels, block.rows, block.columns)
        for place, learned in enumerate(maps):
            part = slice(2 * place, 2 * place + 2)
            torch.testing.assert_close(met[0][:, part], normed[:, part] * learned(16, 12))


def test_a_skip_takes_the_deeper_level_at_the_same_size_and_at_half():
    skip = GroupedSkip(8, 4)
    feature, mask = torch.randn(1, 4, 8, 12), torch.randn(1, 1, 8, 12)
    for sides in ((8, 12), (4, 6)):
        assert skip(torch.randn(1, 8, *sides), feature, mask).shape == feature.shape


def test_every_mask_steers_the_logits():
    torch.manual_seed(0)
    network, image = EGEUNet(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = network(image)
        for head in network.side_heads():
            head.bias.add_(1)
            assert not torch.equal(network(image), before)
            head.bias.sub_(1)


def test_an_export_holds_the_learned_maps_as_constants():
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from scunext_edge.export.to_onnx import trace

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attend = HadamardAttention(8, 1)

        def forward(self, image):
            return self.attend(image.float().permute(0, 3, 1, 2).tile(1, 3, 1, 1)[:, :8])

    operators = [node.op_type for node in onnx.load_from_string(trace(Block(), 32)).graph.node]
    assert "Resize" not in operators
    assert operators.count("Conv") == 4  # two of the last quarter, two behind all of them
