"""Dermoscopy-like pictures with known masks, drawn from a seed: no data needed, no licence asked.

A picture depends on (seed, index, size) alone. Random numbers are raw PCG64 words, whose stream
numpy guarantees, and the arithmetic keeps to + - * / and square roots, which every IEEE machine
rounds alike; sine, exp and sums over arrays would differ between processors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw

from scunext_edge.data.datasets import Sample, check_known
from scunext_edge.spec import Image, Mask

# Part of the hash: raise it when the same seed gives other pictures.
GENERATOR = 1

Field = npt.NDArray[np.float32]  # [H, W]
Colour = tuple[float, float, float]  # 0 to 255

# From pale to dark, then the pink and bluish casts of polarised and contact dermoscopes.
_SKIN: tuple[Colour, ...] = (
    (238, 214, 204),
    (234, 194, 164),
    (214, 168, 128),
    (158, 112, 88),
    (104, 70, 54),
    (226, 178, 182),
    (198, 190, 204),
)
_SKIN_ODDS = (5, 5, 4, 2, 1, 4, 2)
_MELANIN: Colour = (0.36, 0.86, 1.35)  # absorption of red, green, blue
_BLOOD: Colour = (0.16, 0.95, 0.75)
_VEIL: Colour = (1.0, 0.75, 0.42)  # melanin that lies deep looks blue-gray


class SyntheticLesions:
    """``count`` lesions; sample i is the same for every count."""

    def __init__(
        self,
        count: int,
        *,
        seed: int = 0,
        size: tuple[int, int] = (384, 512),
        ids: Sequence[str] | None = None,
    ) -> None:
        """``size`` is (height, width); ``ids`` keeps a part of the ``count`` pictures."""
        if count < 1 or min(size) < 32:
            raise ValueError(f"{count} pictures of size {size}: at least 1 of 32 x 32")
        self.name = "synthetic"
        self.seed, self.size, self._count = seed, size, count
        every = tuple(f"synthetic_{index:06d}" for index in range(count))
        check_known(ids or (), every, self.name)
        self.ids = every if ids is None else tuple(sorted(set(ids)))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        """Draw one picture and its mask."""
        id = self.ids[index]
        image, mask = draw(self.seed, int(id.removeprefix("synthetic_")), self.size)
        return Sample(id=id, image_hwc=image, mask_hw=mask)

    @property
    def hash(self) -> str:
        """Over what the pictures depend on; nothing is drawn."""
        content = json.dumps([GENERATOR, self.seed, self.size, self.ids])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def subset(self, ids: Sequence[str]) -> SyntheticLesions:
        """The pictures with these ids."""
        return SyntheticLesions(self._count, seed=self.seed, size=self.size, ids=ids)


def draw(seed: int, index: int, size: tuple[int, int]) -> tuple[Image, Mask]:
    """One picture, uint8 [H, W, 3], and its mask, bool [H, W]; ``size`` is (H, W)."""
    dice = _Dice(seed, index)
    distance, radius = _blotch(dice, size)
    softness = dice.between(0.04, 0.22) if dice.happens(0.8) else dice.between(0.2, 0.4)
    coverage = _smoothstep(0.5 + (1 - distance) / (2 * softness))
    planes = _skin(dice, size)
    _pigment(dice, planes, coverage, distance, radius)
    if dice.happens(0.65):
        _hairs(dice, planes, size)
    if dice.happens(0.2):
        _ruler(dice, planes, size)
    _light(dice, planes, size)
    image = np.stack([np.clip(plane, 0, 255) for plane in planes], axis=2)
    # People draw the border where the last pigment ends, not where it is steepest.
    return (image + np.float32(0.5)).astype(np.uint8), coverage > 0.1


class _Dice:
    """Random numbers from raw 64-bit words."""

    def __init__(self, seed: int, index: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, index]))

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def happens(self, odds: float) -> bool:
        return self.between(0, 1) < odds

    def bell(self, rows: int, columns: int) -> Field:
        """Sums of two bytes, so roughly a bell, within [-1, 1]."""
        words = self._bits.random_raw((rows * columns + 3) // 4)
        pairs = np.asarray(words, dtype="<u8").view("<u2")[: rows * columns]
        values = (pairs & 255).astype(np.float32) + (pairs >> 8).astype(np.float32)
        field: Field = (values / np.float32(255) - np.float32(1)).reshape(rows, columns)
        return field


def _waves(dice: _Dice, size: tuple[int, int], cells: float, *, smooth: bool = True) -> Field:
    """A random field [H, W] within about [-1, 1] with ``cells`` hills along the shorter side."""
    height, width = size
    cell = min(size) / cells
    grid = dice.bell(max(3, round(height / cell)), max(3, round(width / cell)))
    how = PillowImage.Resampling.BICUBIC if smooth else PillowImage.Resampling.BILINEAR
    # Two calls, because in one the order of the passes depends on the release of Pillow.
    wide = PillowImage.fromarray(grid).resize((width, grid.shape[0]), how)
    return np.asarray(wide.resize((width, height), how))


def _blotch(dice: _Dice, size: tuple[int, int]) -> tuple[Field, float]:
    """Distance from the lesion's centre in units of its radius, which wobbles: border at 1."""
    height, width = size
    half = min(size) / 2
    reach = dice.between(0, 1)
    radius = half * (0.16 + 0.3 * reach + 0.34 * reach * reach)
    middle_y = height / 2 + (height / 2 - 0.6 * radius) * 0.5 * dice.between(-1, 1)
    middle_x = width / 2 + (width / 2 - 0.6 * radius) * 0.5 * dice.between(-1, 1)
    y = (np.arange(height, dtype=np.float32)[:, None] - np.float32(middle_y)) / np.float32(radius)
    x = (np.arange(width, dtype=np.float32)[None, :] - np.float32(middle_x)) / np.float32(radius)
    cells = half / radius  # hills as large as the lesion
    coarse, fine = dice.between(0.1, 0.5), dice.between(0.03, 0.16)
    y = y + coarse * _waves(dice, size, 2 * cells) + fine * _waves(dice, size, 7 * cells)
    x = x + coarse * _waves(dice, size, 2 * cells) + fine * _waves(dice, size, 7 * cells)
    if dice.happens(0.5):  # feathered: the border frays
        y = y + dice.between(0.02, 0.1) * _waves(dice, size, 22 * cells, smooth=False)
    cosine, sine = _direction(dice)
    stretch = dice.between(1, 1.7)
    along, across = cosine * x + sine * y, cosine * y - sine * x
    return np.sqrt(along * along / stretch + across * across * stretch), radius


def _skin(dice: _Dice, size: tuple[int, int]) -> list[Field]:
    """Three planes of bare skin: a tone between two of its neighbours, mottled and grained."""
    tone = _tone(dice)
    mottle = dice.between(0.01, 0.05) * _waves(dice, size, 6)
    redness = dice.between(0.005, 0.04) * _waves(dice, size, 14)
    grain = dice.between(0.01, 0.05) * _waves(dice, size, 90, smooth=False)
    noise = dice.between(0.004, 0.02) * _waves(dice, size, min(size), smooth=False)
    shade = 1 + mottle + grain + noise
    red, green, blue = (np.float32(value) * shade for value in tone)
    green, blue = green * (1 - redness), blue * (1 - redness)
    if dice.happens(0.25):
        spots = np.clip(_waves(dice, size, dice.between(14, 34)) - dice.between(0.4, 0.65), 0, 1)
        return _absorbed([red, green, blue], spots * dice.between(0.4, 1.4), _MELANIN)
    return [red, green, blue]


def _tone(dice: _Dice) -> Colour:
    pick = dice.between(0, sum(_SKIN_ODDS))
    kind = 0
    while pick >= _SKIN_ODDS[kind]:
        pick -= _SKIN_ODDS[kind]
        kind += 1
    other = _SKIN[max(0, kind - 1)] if kind < 5 else _SKIN[1]
    mix, bright = dice.between(0, 0.5), dice.between(0.86, 1.05)
    red, green, blue = (
        bright * (one * (1 - mix) + two * mix) + dice.between(-6, 6)
        for one, two in zip(_SKIN[kind], other, strict=True)
    )
    return red, green, blue


def _pigment(
    dice: _Dice, planes: list[Field], coverage: Field, distance: Field, radius: float
) -> None:
    """Darken the lesion: melanin, variegated and reticulated, at times blood or a blue veil."""
    height, width = coverage.shape
    size = (height, width)
    cells = min(size) / 2 / radius
    depth = dice.between(0.5, 1.4) if dice.happens(0.35) else dice.between(1.2, 4.5)
    patches = 1 + dice.between(0.2, 0.9) * _waves(dice, size, 5 * cells)
    network = 1 + dice.between(0.1, 0.6) * _waves(dice, size, dice.between(14, 34) * cells)
    core = 1 + dice.between(-0.35, 0.9) * np.clip(1 - distance, 0, 1)
    amount = depth * coverage * np.clip(patches * network * core, 0.2, 4)
    planes[:] = _absorbed(planes, amount, _MELANIN)
    if dice.happens(0.4):
        where = coverage * np.clip(_waves(dice, size, 3 * cells), 0, 1)
        colour = _BLOOD if dice.happens(0.5) else _VEIL
        planes[:] = _absorbed(planes, dice.between(0.5, 2.5) * where, colour)
    if dice.happens(0.5):  # a reddened rim around the lesion, which is no part of it
        rim = np.clip(1.6 - distance, 0, 0.6) * dice.between(0.1, 0.5)
        planes[:] = _absorbed(planes, rim, _BLOOD)


def _hairs(dice: _Dice, planes: list[Field], size: tuple[int, int]) -> None:
    """Dark curves that run roughly one way, drawn at twice the size and averaged down."""
    height, width = size
    canvas = PillowImage.new("L", (2 * width, 2 * height))
    pen = ImageDraw.Draw(canvas)
    scale = 2 * min(size)
    cosine, sine = _direction(dice)
    reach = dice.between(0, 1)
    steps = np.arange(13) / 12
    for _ in range(1 + int(28 * reach * reach)):
        start = (dice.between(-0.1, 1.1) * 2 * width, dice.between(-0.1, 1.1) * 2 * height)
        length, bend = dice.between(0.2, 1.1) * scale, dice.between(-0.3, 0.3) * scale
        turn = dice.between(-0.6, 0.6)
        dx, dy = cosine - turn * sine, sine + turn * cosine
        across = 4 * bend * steps * (1 - steps)
        xs = start[0] + dx * length * steps - dy * across
        ys = start[1] + dy * length * steps + dx * across
        points = [(round(x), round(y)) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
        thick = max(1, round(scale / 768 * dice.between(1.5, 4.5)))
        pen.line(points, fill=int(dice.between(110, 255)), width=thick)
    dark = dice.between(0.05, 0.3)
    _paint(planes, canvas.reduce(2), (dark * 210, dark * 150, dark * 120), 0.9)


def _ruler(dice: _Dice, planes: list[Field], size: tuple[int, int]) -> None:
    """A scale near an edge: a long line with ticks, each fifth one longer."""
    height, width = size
    canvas = PillowImage.new("L", (2 * width, 2 * height))
    pen = ImageDraw.Draw(canvas)
    upright = dice.happens(0.3)
    length, depth = (2 * height, 2 * width) if upright else (2 * width, 2 * height)
    place = dice.between(0.04, 0.12) * depth
    place = depth - place if dice.happens(0.7) else place
    begin, tilt = dice.between(0.05, 0.4) * length, dice.between(-0.12, 0.12)
    gap = dice.between(0.02, 0.04) * length
    ticks = 11 if begin + 10 * gap < length else 6

    def point(along: float, across: float) -> tuple[int, int]:
        a, b = round(begin + along - tilt * across), round(place + across + tilt * along)
        return (b, a) if upright else (a, b)

    thick = max(1, round(min(size) / 192))
    pen.line([point(0, 0), point((ticks - 1) * gap, 0)], fill=255, width=thick)
    for tick in range(ticks):
        tall = (1.1 if tick % 5 == 0 else 0.6) * gap
        pen.line([point(tick * gap, 0), point(tick * gap, -tall)], fill=255, width=thick)
    _paint(planes, canvas.reduce(2), (50, 45, 50), dice.between(0.6, 0.95))


def _light(dice: _Dice, planes: list[Field], size: tuple[int, int]) -> None:
    """Uneven light, darker towards the edge; at times the black corners of a round field."""
    height, width = size
    y = (np.arange(height, dtype=np.float32)[:, None] * 2 + 1 - height) / np.float32(width)
    x = (np.arange(width, dtype=np.float32)[None, :] * 2 + 1 - width) / np.float32(width)
    squared = x * x + y * y
    light = 1 + dice.between(0.02, 0.1) * _waves(dice, size, 2)
    light = light / (1 + dice.between(0, 0.3) * squared)
    if dice.happens(0.3):
        edge, soft = dice.between(0.88, 1.15), dice.between(0.02, 0.15)
        light = light * (0.06 + 0.94 * _smoothstep(0.5 + (edge - np.sqrt(squared)) / (2 * soft)))
    planes[:] = [plane * light for plane in planes]


def _paint(planes: list[Field], drawn: PillowImage.Image, colour: Colour, opacity: float) -> None:
    part = np.asarray(drawn).astype(np.float32) * np.float32(opacity / 255)
    planes[:] = [
        plane + part * (np.float32(value) - plane)
        for plane, value in zip(planes, colour, strict=True)
    ]


def _absorbed(planes: Sequence[Field], amount: Field, absorption: Colour) -> list[Field]:
    """Light that passed ``amount`` of a pigment; 1 / (1 + a) stands in for exp(-a)."""
    return [
        plane / (1 + np.float32(share) * amount)
        for plane, share in zip(planes, absorption, strict=True)
    ]


def _smoothstep(values: Field) -> Field:
    inside = np.clip(values, 0, 1)
    return inside * inside * (3 - 2 * inside)


def _direction(dice: _Dice) -> tuple[float, float]:
    """A point on the right half of the unit circle, without trigonometry."""
    t = dice.between(-1, 1)
    return (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
