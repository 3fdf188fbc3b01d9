"""The page's icon as PNG, for systems that take no SVG; ``page/icon.svg`` is the same drawing."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

_SKIN, _SPOT, _RING = (243, 227, 214), (138, 90, 60), (11, 107, 69)
_FINER = 4  # drawn at this many times the size, and averaged


def icon_png(side: int) -> bytes:
    """A lesion with its outline on a ground of skin, square; the middle four fifths hold it all."""
    grid = (np.arange(side * _FINER, dtype=np.float64) + 0.5) / (side * _FINER) - 0.5
    distance = _distance(grid[None, :], grid[:, None])
    colours = np.empty((*distance.shape, 3), np.uint8)
    colours[:] = _SKIN
    colours[distance < 0.78] = _SPOT
    colours[(distance > 0.94) & (distance < 1.12)] = _RING
    stream = io.BytesIO()
    Image.fromarray(colours).reduce(_FINER).quantize(32).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _distance(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From the middle, in units of the outline's radius, which is not the same all around."""
    bent_x, bent_y = x + 0.35 * y * y + 0.02, y + 0.5 * x * y - 0.3 * x * x
    distance: npt.NDArray[np.float64] = np.sqrt(bent_x**2 / 0.29**2 + bent_y**2 / 0.33**2)
    return distance
