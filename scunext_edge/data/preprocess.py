"""The one way from an image to the network's size and back; ``docs/resize.md`` specifies it.

Training, calibration and the device all call these functions. Normalisation is not here: it is
inside the exported network.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from scunext_edge.spec import Image, Mask


def to_network(image: Image, size: int) -> Image:
    """Stretch uint8 [H, W, 3] to uint8 [size, size, 3]: bilinear, antialiased when shrinking."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image is uint8 [H, W, 3], not {image.dtype} {image.shape}")
    return np.array(_resized(PillowImage.fromarray(image), size, size))


def mask_to_network(mask: Mask, size: int) -> Mask:
    """Stretch bool [H, W] to bool [size, size]: true where at least half of a pixel's weight is."""
    gray = PillowImage.fromarray(mask.astype(np.uint8) * np.uint8(255))
    return np.array(_resized(gray, size, size)) > 127


def to_image_size(
    logits_hw: npt.NDArray[np.float32], height: int, width: int
) -> npt.NDArray[np.float32]:
    """Resize float32 [h, w] to float32 [height, width]: bilinear, antialiased when shrinking."""
    if logits_hw.dtype != np.float32 or logits_hw.ndim != 2:
        raise ValueError(f"logits are float32 [h, w], not {logits_hw.dtype} {logits_hw.shape}")
    return np.array(_resized(PillowImage.fromarray(logits_hw), width, height))


def _resized(picture: PillowImage.Image, width: int, height: int) -> PillowImage.Image:
    """Width first, then height: in one call, the order depends on the release of Pillow."""
    how = PillowImage.Resampling.BILINEAR
    return picture.resize((width, picture.height), how).resize((width, height), how)
