from __future__ import annotations

import dataclasses
import json
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from scunext_edge.errors import BackendMissing, ConfigError
from scunext_edge.models import registry
from scunext_edge.models.activations import trace_activations
from scunext_edge.models.complexity import profile, profile_network
from scunext_edge.models.counters import count_by_fvcore, count_by_thop, count_by_torch

pytest.importorskip("fvcore", reason="the extra 'profile' is not installed")
pytest.importorskip("thop", reason="the extra 'profile' is not installed")

# parameters, MACs at 256 x 256
SIZES = {
    "scunext": (249_480, 99_318_272),
    "unext": (253_561, 99_229_696),
    "unext-l": (1_471_921, 562_003_968),
    "unet": (7_852_545, 13_950_255_104),
    "unet-paper": (9_040_801, 24_843_583_488),
    "resunetpp": (4_062_993, 15_668_881_984),
    "resunetpp-paper": (7_672_285, 19_154_135_728),
    "malunet": (177_943, 82_740_224),
    "egeunet": (53_374, 72_096_256),
}
# in millions: the figures of an independent count with the reference networks
THOP = {"unext": 103.834, "unet": 14_101, "unet-paper": 25_055}


def explained(thop, macs):
    """What thop's total should be by its account."""
    shares = dataclasses.asdict(thop)
    total = shares.pop("total")
    missed = shares.pop("macs_missed")
    return macs - missed + sum(shares.values()), total


@pytest.mark.parametrize("name", SIZES)
def test_both_counters_find_the_known_macs(profiles, name):
    found = profiles[name]
    assert (found.params, found.macs) == SIZES[name]
    assert found.fvcore.macs == found.torch.macs
    assert found.difference == 0
    assert found.difference_reason is None
    assert found.flops == 2 * found.macs


@pytest.mark.parametrize("name", SIZES)
def test_thop_is_accounted_for_without_remainder(profiles, name):
    thop, macs = profiles[name].thop, profiles[name].macs
    assert thop.remainder == 0
    assert (thop.norm_ops > 0) == (name != "malunet")  # thop charges nothing for GroupNorm
    want, total = explained(thop, macs)
    assert want == total


@pytest.mark.parametrize("name", THOP)
def test_thop_agrees_with_the_reference_networks(profiles, name):
    assert profiles[name].thop.total / 1e6 == pytest.approx(THOP[name], rel=5e-5)


def test_thop_overcounts_the_transposed_convolutions_of_scunext(profiles):
    # six lifting steps to 128 x 128 or below and the head at 256 x 256, all 8 to 8 channels,
    # 2 x 2, stride 2: each is counted four times
    per_input_pixel = 8 * 8 * 2 * 2
    inputs = 128**2 + (64**2) + (64**2 + 32**2) + (64**2 + 32**2 + 16**2)
    assert profiles["scunext"].thop.transposed_overcount == 3 * per_input_pixel * inputs


@pytest.mark.parametrize("name", SIZES)
def test_modules_add_up_to_the_whole(profiles, name):
    found = profiles[name]
    top = [row for row in found.modules if row.depth == 1]
    assert sum(row.params for row in top) == found.params
    assert sum(row.macs for row in top) == found.macs


def test_a_container_that_is_never_called_shows_the_work_of_its_children(profiles):
    rows = {row.name: row for row in profiles["unet"].modules}
    inner = [row for row in profiles["unet"].modules if row.name.startswith("encoder.")]
    assert rows["encoder"].macs == sum(row.macs for row in inner) > 0
    assert rows["encoder"].output_shapes == ()
    assert rows["encoder.4"].output_shapes == ((1, 512, 16, 16),)
    assert len(rows["pool"].output_shapes) == 4


def test_macs_grow_with_the_pixels(profiles):
    assert profile("scunext", size=512).macs == pytest.approx(
        4 * profiles["scunext"].macs, rel=1e-3
    )


@pytest.mark.parametrize(
    ("skip", "fuse", "params"),
    [
        (True, True, 249_480),
        (True, False, 247_053),
        (False, True, 255_988),
        (False, False, 253_561),
    ],
)
def test_options_reach_the_network(skip, fuse, params):
    found = profile("scunext", size=64, options={"skip": skip, "fuse": fuse})
    assert found.params == params
    assert found.options == {"skip": skip, "fuse": fuse}


def test_a_profile_becomes_json(profiles):
    data = json.loads(json.dumps(dataclasses.asdict(profiles["scunext"]), allow_nan=False))
    assert data["params"] == 249_480
    assert data["modules"][0]["name"] == "encoder"


def test_bytes_are_four_per_parameter_and_statistic():
    network = nn.Sequential(nn.Conv2d(3, 8, 1, bias=False), nn.BatchNorm2d(8))
    found = profile_network(network, size=32, name="small")
    assert (found.params, found.buffers) == (24 + 16, 16)
    assert found.float32_bytes == 4 * 56


def test_profiling_leaves_the_network_as_it_was():
    network = registry.build("unext").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    profile_network(network, size=32, name="unext")
    assert network.training
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(module._forward_hooks for module in network.modules())


def test_macs_of_a_transposed_convolution_are_counted_by_its_input():
    network = nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1).eval()
    image = torch.zeros(1, 3, 8, 8)
    macs = 8 * 8 * 3 * 5 * 4 * 4
    count, inside = count_by_torch(network, image)
    assert count.macs == inside[""] == count_by_fvcore(network, image).macs == macs
    thop = count_by_thop(network, image, macs=macs)
    assert (thop.total, thop.transposed_overcount, thop.remainder) == (4 * macs, 3 * macs, 0)


class _Everything(nn.Module):
    """One module of each kind that thop charges, and a matrix product that it cannot see."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, groups=1),
            nn.Conv2d(8, 8, 3, padding=1, groups=4),
            nn.BatchNorm2d(8),
            nn.InstanceNorm2d(8),
            nn.PReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.AvgPool2d(2),
            nn.Softmax(dim=1),
        )
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.linear = nn.Linear(16, 4)

    def forward(self, image):
        tokens = self.pool(self.layers(image)).flatten(2)
        tokens = tokens @ tokens.transpose(1, 2) @ tokens
        return functional.interpolate(self.linear(tokens)[None], scale_factor=2, mode="nearest")


def test_thop_account_knows_every_kind_of_module():
    network, image = _Everything().eval(), torch.rand(1, 3, 16, 16)
    count, _ = count_by_torch(network, image)
    assert count.macs == count_by_fvcore(network, image).macs
    thop = count_by_thop(network, image, macs=count.macs)
    assert thop.remainder == 0
    assert not [name for name in network.state_dict() if "total" in name]  # thop's own buffers
    assert thop.macs_missed == 2 * 8 * 8 * 16
    assert thop.norm_ops == 8 * 16 * 16 * (4 + 2)
    assert min(thop.upsample_ops, thop.pooling_ops, thop.activation_ops) > 0


class _Attends(nn.Module):
    def forward(self, image):
        return functional.scaled_dot_product_attention(image, image, image)


def test_a_difference_is_explained_by_the_operators_left_out():
    found = profile_network(_Attends(), size=32, name="attends")
    assert found.macs == 2 * 3 * 32**3
    assert found.fvcore.macs == 0
    assert found.difference == found.macs
    assert "matrix products: torch 196,608, fvcore 0" in found.difference_reason
    assert "fvcore has no rule for aten::scaled_dot_product_attention" in found.difference_reason


class _Chain(nn.Module):
    def forward(self, image):
        doubled = torch.cat([image, image], dim=1)  # image + 2 images alive
        grown = torch.cat([doubled, doubled], dim=1)  # image + 2 + 4
        del doubled
        flat = grown.view(-1)  # no memory of its own
        return flat[:10] + 1


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_activation_peak_is_what_lives_at_one_time(device):
    image = torch.zeros(1, 3, 32, 32, device=device)
    found = trace_activations(_Chain(), image)
    assert found.peak_bytes == 7 * 3 * 32 * 32 * 4
    assert found.peak_operator == "aten.cat"
    assert found.operators["aten.cat"] == 2


def test_activation_peak_leaves_weights_out():
    layer = nn.Conv2d(3, 3, 1)
    image = torch.zeros(1, 3, 32, 32)
    assert trace_activations(layer, image).peak_bytes == 2 * image.nbytes


def test_in_place_activation_takes_no_memory():
    image = torch.zeros(1, 3, 32, 32)
    apart = trace_activations(nn.Sequential(nn.Identity(), nn.ReLU()), image)
    in_place = trace_activations(nn.ReLU(inplace=True), image)
    assert (apart.peak_bytes, in_place.peak_bytes) == (2 * image.nbytes, image.nbytes)


def test_an_unknown_network_and_an_odd_size_are_refused():
    with pytest.raises(ConfigError, match="unxet"):
        profile("unxet")
    with pytest.raises(ConfigError, match="multiples of 32"):
        profile("unext", size=100)


@pytest.mark.parametrize("package", ["fvcore", "thop"])
def test_a_missing_counter_names_the_extra(monkeypatch, package):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Absent(package), *sys.meta_path])
    with pytest.raises(BackendMissing, match=package) as caught:
        profile("unext", size=32)
    assert "scunext-edge[profile]" in caught.value.hint


class _Absent:
    """An importer that knows only that one package is not there."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_counting_says_nothing(capfd):
    profile("scunext", size=32)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_paper_rows_agree_where_they_can(paper_rows):
    rows = {row.model: row for row in paper_rows}
    agreeing = {name for name, row in rows.items() if row.agrees}
    assert agreeing == {"unet-paper", "resunetpp-paper", "unext", "scunext"}
    assert rows["unet"].paper_parameters == "9.04 MB"
    assert rows["unet"].our_parameters == "7.85 MB"
    assert "253,561 / 1024 = 247.62" in rows["unext"].explanation
    assert "+0.1% against UNeXt-S" in rows["scunext"].explanation
    assert all(row.thop_ops > row.macs for row in rows.values())
