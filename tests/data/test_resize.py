"""docs/resize.md, its golden vectors, Pillow and what the package calls all say the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scunext_edge.data import preprocess

GOLDEN = json.loads(Path(__file__).with_name("golden_resize.json").read_text(encoding="utf-8"))
SIZES = [
    (1, 1),
    (2, 3),
    (31, 17),
    (32, 32),
    (33, 64),
    (97, 130),
    (256, 256),
    (383, 511),
    (130, 20),
    (20, 130),
]


def weights(n_in, n_out):
    """First index and normalised weights for each output sample, as the document has it."""
    scale = n_in / n_out
    support = max(scale, 1.0)
    rows = []
    for i in range(n_out):
        centre = (i + 0.5) * scale
        first = max(int(np.floor(centre - support + 0.5)), 0)
        end = min(int(np.floor(centre + support + 0.5)), n_in)
        w = [max(0.0, 1.0 - abs((j - centre + 0.5) * (1.0 / support))) for j in range(first, end)]
        total = 0.0
        for value in w:
            total += value
        rows.append((first, [value / total for value in w]))
    return rows


def resize_rows_uint8(image, n_out):
    """One pass of the integer path along axis 1."""
    out = np.empty((image.shape[0], n_out, *image.shape[2:]), np.uint8)
    for i, (first, w) in enumerate(weights(image.shape[1], n_out)):
        k = [int(np.floor(value * 2**22 + 0.5)) for value in w]
        total = np.full(out[:, i].shape, 2**21, np.int32)
        for j, factor in enumerate(k, start=first):
            total += image[:, j].astype(np.int32) * np.int32(factor)
        out[:, i] = np.clip(total >> 22, 0, 255)
    return out


def resize_rows_float32(image, n_out):
    """One pass of the float path along axis 1."""
    out = np.empty((image.shape[0], n_out), np.float32)
    for i, (first, w) in enumerate(weights(image.shape[1], n_out)):
        total = np.zeros(image.shape[0], np.float64)
        for j, factor in enumerate(w, start=first):
            total += image[:, j].astype(np.float64) * factor
        out[:, i] = total.astype(np.float32)
    return out


def reference(image, height, width):
    one_pass = resize_rows_uint8 if image.dtype == np.uint8 else resize_rows_float32
    if image.shape[1] != width:
        image = one_pass(image, width)
    if image.shape[0] != height:
        image = one_pass(image.swapaxes(0, 1), height).swapaxes(0, 1)
    return image


def assert_within_an_ulp_per_pass(got, want, largest):
    assert np.abs(got.astype(np.float64) - want).max() <= 2 * np.spacing(np.float32(largest))


@pytest.mark.parametrize("case", GOLDEN["uint8"], ids=lambda case: case["name"])
def test_the_documents_integer_path_gives_the_golden_vectors(case):
    image, want = (np.array(case[key], np.uint8) for key in ("input", "output"))
    np.testing.assert_array_equal(reference(image, case["height"], case["width"]), want)


@pytest.mark.parametrize("case", GOLDEN["uint8"], ids=lambda case: case["name"])
def test_pillow_gives_the_golden_vectors_in_uint8(case):
    image, want = (np.array(case[key], np.uint8) for key in ("input", "output"))
    how = Image.Resampling.BILINEAR
    wide = Image.fromarray(image).resize((case["width"], image.shape[0]), how)
    got = wide.resize((case["width"], case["height"]), how)
    np.testing.assert_array_equal(np.asarray(got), want)


@pytest.mark.parametrize("case", GOLDEN["float32"], ids=lambda case: case["name"])
def test_the_documents_float_path_and_the_package_give_the_golden_vectors(case):
    logits, want = (np.array(case[key], np.float32) for key in ("input", "output"))
    largest = np.abs(logits).max()
    ours = preprocess.to_image_size(logits, case["height"], case["width"])
    assert_within_an_ulp_per_pass(reference(logits, *want.shape), want, largest)
    assert_within_an_ulp_per_pass(ours, want, largest)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("size", [32, 96])
def test_images_reach_the_network_bit_for_bit_as_documented(height, width, size):
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    np.testing.assert_array_equal(preprocess.to_network(image, size), reference(image, size, size))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_logits_reach_the_image_size_as_documented(height, width):
    logits = np.random.default_rng(width).standard_normal((64, 64)).astype(np.float32) * 8
    got = preprocess.to_image_size(logits, height, width)
    assert got.dtype == np.float32
    want = reference(logits, height, width)
    assert_within_an_ulp_per_pass(got, want, np.abs(logits).max())


def test_masks_reach_the_network_as_documented():
    mask = np.random.default_rng(0).random((75, 100)) < 0.5
    gray = np.where(mask, np.uint8(255), np.uint8(0))
    np.testing.assert_array_equal(
        preprocess.mask_to_network(mask, 32), reference(gray, 32, 32) > 127
    )


def test_a_view_that_is_not_contiguous_is_resized_like_its_copy():
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    flipped = image[::-1, ::-2]
    np.testing.assert_array_equal(
        preprocess.to_network(flipped, 32), preprocess.to_network(flipped.copy(), 32)
    )


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)],
)
def test_what_is_no_rgb_image_is_refused(wrong):
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\]"):
        preprocess.to_network(wrong, 32)


def test_logits_of_another_type_are_refused():
    with pytest.raises(ValueError, match="float32"):
        preprocess.to_image_size(np.zeros((4, 4)), 8, 8)
