from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from scunext_edge.training.losses import (
    boundary,
    edge_loss,
    joint_loss,
    soft_dice_loss,
    tversky_loss,
)


@pytest.fixture
def truth():
    """Two discs of different size, float32 [2, 1, 64, 64]."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    discs = [((y - 32) ** 2 + (x - 30) ** 2 < radius**2) for radius in (12, 20)]
    return torch.stack(discs)[:, None].float()


def plain_boundary(maps):
    """The definition: max minus min over 5 x 5, the border repeated, one picture at a time."""
    padded = functional.pad(maps, (2, 2, 2, 2), mode="replicate")
    windows = padded.unfold(2, 5, 1).unfold(3, 5, 1)
    return windows.amax((4, 5)) - windows.amin((4, 5))


def test_a_perfect_answer_costs_next_to_nothing(truth):
    assert soft_dice_loss(truth, truth) < 1e-6
    assert edge_loss(truth, truth) < 1e-6
    assert joint_loss(100 * (truth - 0.5), truth, edge_weight=0.5) < 1e-6


def test_the_opposite_of_the_truth_costs_the_most(truth):
    assert soft_dice_loss(1 - truth, truth) > 0.99


@pytest.mark.parametrize("learning", [False, True])
def test_boundary_is_max_minus_min_over_five_by_five(learning):
    maps = torch.rand(3, 1, 17, 23, requires_grad=learning)
    assert torch.equal(boundary(maps).transpose(0, 1), plain_boundary(maps))


def test_boundary_has_the_gradient_of_its_definition():
    maps = torch.rand(2, 1, 9, 11, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(2, 1, 9, 11, dtype=torch.float64)
    mine = torch.autograd.grad((boundary(maps).transpose(0, 1) * weight).sum(), maps)
    theirs = torch.autograd.grad((plain_boundary(maps) * weight).sum(), maps)
    torch.testing.assert_close(mine, theirs)


def test_a_lesion_cut_by_the_frame_has_no_edge_there():
    maps = torch.zeros(1, 1, 16, 16)
    maps[..., :8] = 1
    found = boundary(maps)[0, 0]
    assert found[:, 6:10].min() == 1
    assert found[:, :6].max() == found[:, 10:].max() == 0


def test_a_shifted_outline_costs_more_by_edges_than_by_area(truth):
    shifted = truth.roll(3, 3)
    assert edge_loss(shifted, truth) > 2 * soft_dice_loss(shifted, truth)


@pytest.mark.parametrize("loss", [soft_dice_loss, edge_loss])
def test_a_batch_costs_the_mean_of_its_images(loss, truth):
    probability = torch.rand(2, 1, 64, 64)
    singles = [loss(probability[i : i + 1], truth[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(loss(probability, truth), torch.stack(singles).mean())


def test_the_joint_loss_of_a_batch_is_the_mean_of_its_images(truth):
    logits = torch.randn(2, 1, 64, 64)
    singles = [joint_loss(logits[i : i + 1], truth[i : i + 1], edge_weight=0.5) for i in range(2)]
    whole = joint_loss(logits, truth, edge_weight=0.5)
    torch.testing.assert_close(whole, torch.stack(singles).mean())


def test_the_joint_loss_is_the_sum_that_it_promises(truth):
    logits = torch.randn(2, 1, 64, 64)
    probability = logits.sigmoid()
    entropy = functional.binary_cross_entropy(probability, truth)
    expected = 0.5 * entropy + soft_dice_loss(probability, truth)
    torch.testing.assert_close(joint_loss(logits, truth, edge_weight=0), expected)
    expected = expected + 0.3 * edge_loss(probability, truth)
    torch.testing.assert_close(joint_loss(logits, truth, edge_weight=0.3), expected)


def test_side_maps_count_the_more_the_finer_they_are(truth):
    logits = torch.randn(2, 1, 64, 64)
    sides = [torch.randn(2, 1, side, side) for side in (8, 32)]
    plain = joint_loss(logits, truth, edge_weight=0.5)
    costs = []
    for side in sides:
        grown = functional.interpolate(side, 64, mode="bilinear", align_corners=False)
        costs.append(joint_loss(grown, truth, edge_weight=0))
    found = joint_loss(logits, truth, edge_weight=0.5, sides=sides, deep=0.4)
    torch.testing.assert_close(found, plain + 0.2 * costs[0] + 0.4 * costs[1])
    assert torch.equal(joint_loss(logits, truth, edge_weight=0.5, sides=sides, deep=0), plain)


@pytest.mark.parametrize("logit", [-80.0, 0.0, 80.0])
def test_an_empty_truth_still_has_finite_gradients(logit):
    logits = torch.full((2, 1, 32, 32), logit) + torch.randn(2, 1, 32, 32)
    logits.requires_grad_()
    loss = joint_loss(logits, torch.zeros(2, 1, 32, 32), edge_weight=0.5)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_an_empty_truth_pulls_every_logit_down():
    logits = torch.randn(1, 1, 32, 32, requires_grad=True)
    joint_loss(logits, torch.zeros(1, 1, 32, 32), edge_weight=0).backward()
    assert (logits.grad > 0).all()


def test_a_tversky_loss_of_equal_weights_is_dice():
    probability = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    truth = (torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    found = tversky_loss(probability, truth, missed=0.5, focal=1)
    torch.testing.assert_close(found, soft_dice_loss(probability, truth))


def test_a_weight_of_missed_pixels_asks_for_recall():
    truth = torch.zeros(1, 1, 16, 16)
    truth[..., 4:12, 4:12] = 1
    less, more = truth.clone(), truth.clone()
    less[..., 4:6, 4:12] = 0
    more[..., 2:4, 4:12] = 1  # as many false pixels as missed ones
    equal, harsh = ({"missed": each, "focal": 1} for each in (0.5, 0.7))
    assert tversky_loss(less, truth, **harsh) > tversky_loss(more, truth, **harsh)
    assert tversky_loss(less, truth, **harsh) > tversky_loss(less, truth, **equal)
    assert tversky_loss(more, truth, **harsh) < tversky_loss(more, truth, **equal)


def test_the_focal_power_is_of_each_images_loss_and_has_a_gradient_at_nothing():
    truth = torch.ones(1, 1, 8, 8)
    logits = torch.full((1, 1, 8, 8), 0.3, requires_grad=True)
    plain, bent = (
        tversky_loss(torch.sigmoid(logits), truth, missed=0.7, focal=each) for each in (1, 0.75)
    )
    torch.testing.assert_close(bent, plain**0.75)
    perfect = torch.ones(1, 1, 8, 8, requires_grad=True)
    tversky_loss(perfect, truth, missed=0.7, focal=0.75).backward()
    assert bool(perfect.grad.isfinite().all())


def test_a_teacher_adds_its_cross_entropy():
    logits = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    truth, taught = (logits > 0).float(), torch.full((2, 1, 16, 16), 0.8)
    plain = joint_loss(logits, truth, edge_weight=0.5)
    found = joint_loss(logits, truth, edge_weight=0.5, taught=taught, distil=0.3)
    entropy = torch.nn.functional.binary_cross_entropy(torch.sigmoid(logits), taught)
    torch.testing.assert_close(found, plain + 0.3 * entropy)
