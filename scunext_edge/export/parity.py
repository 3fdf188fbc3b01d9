"""How far an exported model may be from what it was made from, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.errors import ExportError
from scunext_edge.spec import Array

Images = npt.NDArray[np.uint8]  # [N, H, W, 3] at the network's size
Logits = npt.NDArray[np.float32]  # [N, 1, H, W]
Forward = Callable[[Images], Logits]

_BATCH = 4  # more than one, so that the dynamic dimension is exercised


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Two models on the same images: logits apart, and pixels that change class."""

    max_logit_difference: float
    flipped_pixels: float  # share of all pixels
    images: int
    of: tuple[str, str]  # reference, candidate

    def to_json(self) -> dict[str, Any]:
        """For a card's ``details``."""
        return {**asdict(self), "of": list(self.of)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that is let through; None: reported only."""

    max_logit_difference: float | None = None
    flipped_pixels: float | None = None


# INT8 answers to the accuracy gate instead: what counts there is Dice on real images.
LIMITS = {
    "fp32": Limits(max_logit_difference=1e-3, flipped_pixels=1e-4),
    "fp16": Limits(flipped_pixels=1e-3),
    "bf16": Limits(flipped_pixels=3e-3),  # weights have three bits less than those of fp16
    "int8": Limits(),
}


def compare(
    reference: Forward,
    candidate: Forward,
    images: Images,
    *,
    of: tuple[str, str] = ("reference", "candidate"),
) -> Parity:
    """Run both on ``images``. A logit that is not finite, or a wrong shape, is ``ExportError``."""
    if not len(images):
        raise ValueError("parity needs at least one image")
    largest, flipped, pixels = 0.0, 0, 0
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        expected, found = reference(batch), candidate(batch)
        _check_logits(expected, batch, of[0])
        _check_logits(found, batch, of[1])
        largest = max(largest, float(np.abs(expected - found).max()))
        flipped += int(np.count_nonzero((expected > 0) != (found > 0)))
        pixels += expected.size
    return Parity(
        max_logit_difference=largest,
        flipped_pixels=flipped / pixels,
        images=len(images),
        of=of,
    )


def check(parity: Parity, precision: str) -> Parity:
    """Return ``parity`` if it is within the limits of ``precision``, else raise ExportError."""
    limits = LIMITS[precision]
    reference, candidate = parity.of
    beyond = []
    most = limits.max_logit_difference
    if most is not None and not parity.max_logit_difference <= most:
        beyond.append(f"a logit differs by {parity.max_logit_difference:.2g} (limit {most:g})")
    share = limits.flipped_pixels
    if share is not None and not parity.flipped_pixels <= share:
        beyond.append(f"{parity.flipped_pixels:.3%} of the pixels change class (limit {share:.2%})")
    if beyond:
        raise ExportError(
            f"{candidate} does not compute what {reference} does at {precision}: "
            f"{' and '.join(beyond)}, on {parity.images} images",
            hint="an untrained network, or one with very large activations, loses most; "
            "try another precision",
        )
    return parity


def default_images(size: int, count: int = 4) -> Images:
    """A few synthetic lesions, for exports without images at hand: uint8 [count, size, size, 3]."""
    from scunext_edge.data.preprocess import to_network
    from scunext_edge.data.synthetic import SyntheticLesions

    lesions = SyntheticLesions(count, seed=11)
    return np.stack([to_network(lesions[index].image_hwc, size) for index in range(count)])


def _check_logits(logits: Array, images: Images, name: str) -> None:
    count, height, width, _ = images.shape
    if logits.shape != (count, 1, height, width):
        raise ExportError(f"{name} gives logits of shape {logits.shape} for {images.shape}")
    bad = int(np.count_nonzero(~np.isfinite(logits)))
    if bad:
        raise ExportError(
            f"{name} gives {bad} logits that are infinite or not a number",
            hint="its activations overflow: keep this model in fp32",
        )
