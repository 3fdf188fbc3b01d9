"""What happens to pictures outside a laboratory: six faults of stated strength, drawn by seed.

Each is applied to a picture as it is stored, before it is resized to the network. Lengths are
shares of the picture's shorter side, so that a strength means the same whatever the camera. The
idea of a table of faults by five severities is that of Hendrycks and Dietterich, "Benchmarking
neural network robustness to common corruptions and perturbations" (ICLR 2019, arXiv 1903.12261);
the faults themselves are ours, chosen for a hand-held dermatoscope.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw

from scunext_edge.spec import Image

SEVERITIES = (1, 2, 3, 4, 5)
Spoil = Callable[[Image, float, np.random.Generator], Image]
_FAST = 64  # Fourier transforms of multiples of it are quick
_Kernel = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """A fault: what its levels count, a level for each severity, and how it is drawn."""

    name: str
    unit: str
    levels: tuple[float, ...]
    spoil: Spoil


def seeded(id: str, name: str) -> np.random.Generator:
    """Random numbers that belong to a picture, in whatever order pictures come."""
    digest = hashlib.sha256(f"{name} {id}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))


def corrupted(image: Image, corruption: Corruption, severity: int, id: str) -> Image:
    """The picture, uint8 [H, W, 3], at a severity from 1 to 5; ``id`` is its seed.

    The seed is the same for all severities: the noise grows, the direction stays, and the hairs
    of one severity are among those of the next.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"a severity is 1 to {SEVERITIES[-1]}, not {severity}")
    level = corruption.levels[severity - 1]
    return corruption.spoil(image, level, seeded(id, corruption.name))


def expose(image: Image, factor: float) -> Image:
    """Every stored value times ``factor``, rounded, and cut at 255."""
    levels = np.minimum(np.round(np.arange(256) * factor), 255).astype(np.uint8)
    return np.asarray(levels[image])


def defocus(image: Image, radius: float, rng: np.random.Generator) -> Image:
    """The mean over a disc: the image of a point through a lens out of focus."""
    del rng
    return _convolved(image, _disc(radius * min(image.shape[:2])))


def motion(image: Image, length: float, rng: np.random.Generator) -> Image:
    """The mean along a line through every pixel, its direction drawn: a hand that moved."""
    return _convolved(image, _line(length * min(image.shape[:2]), rng.uniform(0, np.pi)))


def noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Gaussian noise of ``sigma`` gray levels, each pixel and channel on its own."""
    drawn = rng.standard_normal(image.shape, dtype=np.float32)
    return _to_bytes(image + np.float32(sigma) * drawn)


def jpeg(image: Image, quality: float, rng: np.random.Generator) -> Image:
    """Stored as JPEG once more, by Pillow, colours at half the resolution."""
    del rng
    stream = io.BytesIO()
    PillowImage.fromarray(image).save(stream, "JPEG", quality=int(quality), subsampling="4:2:0")
    return np.array(PillowImage.open(stream).convert("RGB"))


def hair(image: Image, count: float, rng: np.random.Generator) -> Image:
    """Dark bent hairs across the picture, of one colour, their rims smooth."""
    height, width = image.shape[:2]
    side = min(height, width)
    colour = np.array([45, 32, 25], np.float32) * np.float32(rng.uniform(0.5, 1.5))
    drawn = PillowImage.new("L", (2 * width, 2 * height))  # twice as large: its rims become gray
    pen = ImageDraw.Draw(drawn)
    for _ in range(int(count)):
        x, y = rng.uniform(0, 2 * width), rng.uniform(0, 2 * height)
        heading, bend = rng.uniform(0, 2 * np.pi), rng.uniform(-1.5, 1.5)
        length, thick = 2 * side * rng.uniform(0.3, 1.0), 2 * side * rng.uniform(0.003, 0.008)
        steps = np.linspace(0, 1, 24)
        angles = heading + bend * steps
        xs = x + np.cumsum(np.cos(angles)) * length / len(steps)
        ys = y + np.cumsum(np.sin(angles)) * length / len(steps)
        points = [(float(a), float(b)) for a, b in zip(xs, ys, strict=True)]
        pen.line(points, fill=235, width=max(1, round(thick)), joint="curve")
    small = drawn.resize((width, height), PillowImage.Resampling.BOX)
    veil = np.asarray(small, np.float32)[..., None] / np.float32(255)
    return _to_bytes(image * (1 - veil) + colour * veil)


CORRUPTIONS = (
    Corruption(
        name="defocus",
        unit="radius of the disc, share of the side",
        levels=(0.01, 0.02, 0.04, 0.06, 0.1),
        spoil=defocus,
    ),
    Corruption(
        name="motion",
        unit="length of the line, share of the side",
        levels=(0.02, 0.05, 0.1, 0.15, 0.25),
        spoil=motion,
    ),
    Corruption(
        name="noise", unit="standard deviation, gray levels", levels=(10, 20, 40, 60, 90),
        spoil=noise,
    ),
    Corruption(
        name="darkness",
        unit="light times",
        levels=(0.7, 0.5, 0.3, 0.2, 0.1),
        spoil=lambda image, factor, rng: expose(image, factor),
    ),
    Corruption(name="jpeg", unit="quality", levels=(40, 20, 10, 5, 2), spoil=jpeg),
    Corruption(name="hair", unit="hairs", levels=(4, 8, 16, 32, 64), spoil=hair),
)  # fmt: skip
BY_NAME = {it.name: it for it in CORRUPTIONS}


def _disc(radius: float) -> _Kernel:
    reach = int(np.ceil(radius))
    y, x = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
    kernel = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1).astype(np.float32)
    return np.asarray(kernel / kernel.sum())


def _line(length: float, angle: float) -> _Kernel:
    reach = int(np.ceil(length / 2)) + 1
    y, x = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    across = np.abs(y * np.cos(angle) - x * np.sin(angle))
    kernel = np.clip(length / 2 + 0.5 - along, 0, 1) * np.clip(1 - across, 0, 1)
    return np.asarray((kernel / kernel.sum()).astype(np.float32))


def _convolved(image: Image, kernel: _Kernel) -> Image:
    """Each channel with a symmetric kernel, the picture mirrored at its borders."""
    reach = len(kernel) // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    planes = np.ascontiguousarray(padded.astype(np.float32).transpose(2, 0, 1))
    shape = [-(-side // _FAST) * _FAST for side in planes.shape[1:]]  # zeros never reach inside
    there = np.fft.rfft2(planes, s=shape) * np.fft.rfft2(kernel, s=shape)
    height, width = image.shape[:2]
    inside = np.s_[:, 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]
    back = np.fft.irfft2(there, s=shape)[inside]
    return _to_bytes(back.transpose(1, 2, 0))


def _to_bytes(values: npt.NDArray[np.floating]) -> Image:
    return np.ascontiguousarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
