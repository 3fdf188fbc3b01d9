"""Tiny folders of pictures, drawn here, and real ones where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def real():
    """The folder of real data sets; skips where it is absent."""
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    return REAL


@pytest.fixture
def picture():
    """A maker of unlike pictures: picture(seed) is uint8 [H, W, 3]."""

    def make(seed, height=24, width=32):
        random = np.random.default_rng(seed)
        grid = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(grid).resize((width, height)))

    return make


@pytest.fixture
def blob():
    """A mask, bool [H, W], with a rectangle in it."""

    def make(height=24, width=32):
        mask = np.zeros((height, width), np.bool_)
        mask[height // 4 : height // 2, width // 4 : width // 2] = True
        return mask

    return make


@pytest.fixture
def folder(tmp_path, picture, blob):
    """images/ and masks/ with four sound pairs a, b, c, d."""
    root = tmp_path / "four"
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for seed, name in enumerate("abcd"):
        Image.fromarray(picture(seed)).save(root / "images" / f"{name}.png")
        Image.fromarray(blob()).convert("L").save(root / "masks" / f"{name}.png")
    return root
