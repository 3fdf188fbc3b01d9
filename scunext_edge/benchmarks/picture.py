"""What is fed: a picture drawn from a seed, as pixels and as a file."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as PillowImage

from scunext_edge.spec import Array

# A photograph as a camera stores it: end_to_end decodes it and resizes it both ways.
PHOTOGRAPH = (768, 1024)  # rows, columns


def picture(batch: int, rows: int, columns: int, seed: int) -> Array:
    """uint8 [batch, rows, columns, 3]: a soft dark spot on skin with grain; what a camera sees.

    What is in it hardly matters to an engine, except that constant images may be unfairly fast.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    spot = 90 / (1 + np.exp(12 * (np.hypot(x, y) - 0.5)))
    skin = np.array([205.0, 165.0, 145.0]) - spot[..., None]
    grain = rng.normal(0, 6, size=(batch, rows, columns, 3))
    drawn: Array = np.clip(skin + grain, 0, 255).astype(np.uint8)
    return drawn


def photograph(seed: int) -> bytes:
    """A JPEG file of :data:`PHOTOGRAPH` size."""
    stream = io.BytesIO()
    pixels = picture(1, *PHOTOGRAPH, seed)[0]
    PillowImage.fromarray(pixels).save(stream, format="JPEG", quality=90)
    return stream.getvalue()
