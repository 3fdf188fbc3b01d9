from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import DataError
from scunext_edge.training.batches import Packed, batches, pack, steps_per_epoch

PLAIN = {"zoom": 0.0, "colour": 0.0}


def numbered(count, size=32):
    """Image i is all i, so that a batch tells which images it holds."""
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)
    return Packed(
        ids=tuple(str(i) for i in range(count)),
        images=images.expand(count, size, size, 3).contiguous(),
        masks=torch.zeros(count, size, size, dtype=torch.uint8),
    )


def marked(count, size=64):
    """The mask is a corner, and the red channel is the mask: geometry can be compared."""
    masks = torch.zeros(count, size, size, dtype=torch.uint8)
    masks[:, : size // 2, : size // 4] = 1
    images = torch.zeros(count, size, size, 3, dtype=torch.uint8)
    images[..., 0] = masks * 255
    return Packed(ids=tuple(str(i) for i in range(count)), images=images, masks=masks)


def members(taken):
    return [int(image[0, 0, 0]) for images, _ in taken for image in images]


def test_an_epoch_can_be_repeated_to_the_bit(lesions, recipe):
    for one, other in zip(
        batches(lesions, recipe, epoch=2), batches(lesions, recipe, epoch=2), strict=True
    ):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("changes", [{"epoch": 3}, {"seed": 1}], ids=["epoch", "seed"])
def test_another_epoch_or_seed_gives_another_order(changes, recipe):
    recipe = replace(recipe, **PLAIN)
    other = replace(recipe, seed=changes.get("seed", 0))
    first = members(batches(numbered(24), recipe, epoch=2))
    assert first != members(batches(numbered(24), other, epoch=changes.get("epoch", 2)))


def test_an_epoch_meets_every_image_once(recipe):
    met = members(batches(numbered(24), replace(recipe, **PLAIN), epoch=0))
    assert sorted(met) == list(range(24))
    assert met != sorted(met)


def test_ranks_share_the_images_out(recipe):
    recipe = replace(recipe, **PLAIN)
    met = [members(batches(numbered(24), recipe, epoch=1, rank=rank, ranks=2)) for rank in range(2)]
    assert [len(part) for part in met] == [12, 12]
    assert sorted(met[0] + met[1]) == list(range(24))


def test_ranks_augment_differently(recipe):
    same = Packed(ids=tuple("abcdefgh"), images=marked(8).images, masks=marked(8).masks)
    one, other = (next(batches(same, recipe, epoch=0, rank=rank, ranks=2)) for rank in range(2))
    assert not torch.equal(one[0], other[0])


def test_image_and_mask_go_through_the_same_geometry(recipe):
    recipe = replace(recipe, zoom=1.0, colour=0.0, batch=16)
    pixels, truth = next(batches(marked(16), recipe, epoch=0))
    red = pixels[..., 0] / 255
    agree = ((red > 0.5) == (truth[:, 0] > 0.5)).float().mean((1, 2))
    assert agree.min() > 0.97  # bilinear and nearest differ by half a pixel along the outline


def test_all_eight_symmetries_occur_and_nothing_else(recipe):
    recipe = replace(recipe, **PLAIN, batch=16)
    plain = marked(16).masks[0].numpy()
    wanted = {np.rot90(m, k).tobytes() for m in (plain, plain.T) for k in range(4)}
    met = set()
    for epoch in range(8):
        _, truth = next(batches(marked(16), recipe, epoch=epoch))
        met |= {mask.numpy().astype(np.uint8).tobytes() for mask in truth[:, 0]}
    assert met == wanted


def test_values_stay_within_a_byte_and_masks_stay_binary(lesions, recipe):
    recipe = replace(recipe, zoom=1.0, colour=0.9)
    for pixels, truth in batches(lesions, recipe, epoch=0):
        assert pixels.dtype == truth.dtype == torch.float32
        assert pixels.shape == (4, 64, 64, 3)
        assert truth.shape == (4, 1, 64, 64)
        assert 0 <= pixels.min() <= pixels.max() <= 255
        assert set(truth.unique().tolist()) <= {0.0, 1.0}


def test_without_augmentation_the_pixels_are_those_of_the_images(lesions, recipe):
    pixels, _ = next(batches(lesions, replace(recipe, **PLAIN), epoch=0))
    sums = set(lesions.images.float().sum((1, 2, 3)).tolist())
    assert set(pixels.sum((1, 2, 3)).tolist()) <= sums


def test_colour_changes_brightness_contrast_and_gains_by_what_was_allowed(recipe):
    grey = Packed(
        ids=tuple("abcd"),
        images=torch.full((4, 32, 32, 3), 128, dtype=torch.uint8),
        masks=torch.zeros(4, 32, 32, dtype=torch.uint8),
    )
    pixels, _ = next(batches(grey, replace(recipe, zoom=0.0, colour=0.1), epoch=0))
    change = (pixels - 128).abs()
    assert 0 < change.max() <= 128 * 0.1 + 1e-3
    assert change.flatten(1).std(1).max() < 1e-3  # a flat picture has no contrast to change


def test_colour_never_touches_what_is_kept_in_memory(lesions, recipe):
    before = lesions.images.clone()
    for _ in batches(lesions, replace(recipe, zoom=0.0), epoch=0):
        pass
    assert torch.equal(lesions.images, before)


def test_recolouring_is_contrast_about_the_mean_then_brightness():
    from scunext_edge.training.colour import relit

    pixels, change = torch.rand(2, 5, 7, 3) * 255, 0.1
    rng = np.random.default_rng(4)
    gain = 1 + rng.uniform(-change, change, (2, 1, 1, 1))
    gain = gain * (1 + rng.uniform(-change, change, (2, 1, 1, 3)) / 2)
    bright = 128 * rng.uniform(-change, change, (2, 1, 1, 1))
    middle = pixels.numpy().mean((1, 2, 3), keepdims=True)
    expected = np.clip((pixels.numpy() - middle) * gain + middle + bright, 0, 255)
    found = relit(pixels.clone(), change, np.random.default_rng(4))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_the_last_incomplete_batch_is_dropped(recipe):
    recipe = replace(recipe, **PLAIN)
    assert steps_per_epoch(numbered(11), recipe) == 2
    assert len(members(batches(numbered(11), recipe, epoch=0))) == 8


@pytest.mark.parametrize(("count", "ranks"), [(3, 1), (7, 2)])
def test_too_few_images_for_one_batch_are_an_error(count, ranks, recipe):
    with pytest.raises(DataError, match=f"{count} images make no batch of 4 on {ranks}"):
        next(batches(numbered(count), recipe, epoch=0, ranks=ranks))


def test_packing_stretches_to_the_networks_size_and_keeps_the_order():
    drawn = SyntheticLesions(3, size=(48, 64))
    seen = []
    packed = pack(drawn, 32, on_image=lambda: seen.append(1))
    assert packed.ids == drawn.ids
    assert len(packed) == len(seen) == 3
    assert packed.images.shape == (3, 32, 32, 3)
    assert packed.images.dtype == packed.masks.dtype == torch.uint8
    assert packed.masks.unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    "changes",
    [{"affine": 0.5}, {"boundary": 0.5}, {"tone": 0.3}, {"degrade": 0.5}, {"balance": 0.9}],
    ids=lambda changes: next(iter(changes)),
)
def test_every_setting_changes_the_batches_and_they_can_be_repeated(lesions, recipe, changes):
    plain, one, other = (
        next(batches(lesions, each, epoch=1))
        for each in (recipe, replace(recipe, **changes), replace(recipe, **changes))
    )
    assert not torch.equal(one[0], plain[0])
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
    assert set(one[1].unique().tolist()) <= {0.0, 1.0}
