"""Strips of pictures: an image, its truth, what FP32 and INT8 drew, and where they differ."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from scunext_edge.errors import ArtifactError
from scunext_edge.report import numbers
from scunext_edge.report.naming import baseline_of, models_of, short_name
from scunext_edge.report.records import Picture, Run
from scunext_edge.results import Row

_SIDE = 240  # pixels of the longer side: sharp on a page, some 10 kB each
_TRUTH, _FP32, _INT8 = (0, 158, 115), (0, 114, 178), (213, 94, 0)

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture of a strip, as a data URI."""

    title: str
    detail: str | None
    uri: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One image as one network saw it."""

    id: str
    why: str
    model: str | None
    panels: Sequence[Panel]


def strips(run: Run) -> list[Strip]:
    """For each chosen image and model: the INT8 row that disagrees most with its FP32."""
    return [strip for picture in run.pictures for strip in _strips_of(picture, run)]


def _strips_of(picture: Picture, run: Run) -> list[Strip]:
    image = _thumbnail(_open(picture.image, "RGB"))
    truth = _mask(picture.truth)
    shared = [
        _panel("image", None, image, f"{picture.id}, as it was taken"),
        _panel("truth", None, _outlined(image, truth, _TRUTH), f"{picture.id}, outlined by hand"),
    ]
    rows = [row for row in run.rows if row.key in picture.masks]
    found = []
    for model in models_of(rows):
        drawn = _drawn(picture, [row for row in rows if row.model == model], image, run)
        found.append(Strip(id=picture.id, why=picture.why, model=model, panels=[*shared, *drawn]))
    return found or [Strip(id=picture.id, why=picture.why, model=None, panels=shared)]


def _drawn(picture: Picture, rows: Sequence[Row], image: Pixels, run: Run) -> list[Panel]:
    """FP32, INT8 and their difference; without such a pair, whatever single row there is."""
    masks = {row.key: _mask(picture.masks[row.key]) for row in rows}
    pairs = [
        (row, base)
        for row in rows
        if row.precision == "int8" and (base := baseline_of(row, rows)) is not None
    ]
    if not pairs:
        return [_prediction(picture.id, row, masks[row.key], image, run) for row in rows[:1]]
    for row, base in pairs:
        if masks[row.key].shape != masks[base.key].shape:
            raise ArtifactError(
                f"{picture.masks[row.key]} and {picture.masks[base.key]} differ in size",
                hint="both should be at the image's own size: run `scunext-edge bench` again",
            )
    row, base = max(pairs, key=lambda pair: (masks[pair[0].key] ^ masks[pair[1].key]).sum())
    return [
        _prediction(picture.id, base, masks[base.key], image, run),
        _prediction(picture.id, row, masks[row.key], image, run),
        _difference(picture.id, masks[base.key], masks[row.key], image),
    ]


def _prediction(name: str, row: Row, mask: Mask, image: Pixels, run: Run) -> Panel:
    dice = run.dice.get(row.key, {}).get(name)
    score = f"Dice {numbers.score(dice)}" if dice is not None else None
    colour = _INT8 if row.precision == "int8" else _FP32
    alt = f"{name}, outlined by {row.model} {short_name(row)}"
    return _panel(short_name(row), score, _outlined(image, mask, colour), alt)


def _difference(name: str, fp32: Mask, int8: Mask, image: Pixels) -> Panel:
    """Where only one of the two saw a lesion; single pixels survive the scaling."""
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    pixels = (0.45 * grey + 0.55 * 255).astype(np.uint8)
    for only, colour in ((fp32 & ~int8, _FP32), (int8 & ~fp32, _INT8)):
        pixels[_scaled(only, pixels, at_least=1)] = colour
    changed = int((fp32 ^ int8).sum())
    detail = f"{numbers.count(changed)} pixels, {_share(changed / fp32.size)}"
    return _panel("difference", detail, pixels, f"{name}: FP32 and INT8 differ in {detail}")


def _share(share: float) -> str:
    if share == 0:
        return "0 %"
    return f"{100 * share:.2g} %" if share >= 1e-4 else "under 0.01 %"


def _outlined(image: Pixels, mask: Mask, colour: tuple[int, int, int]) -> Pixels:
    """The outside paler, and a line of two pixels along the border."""
    inside = _scaled(mask, image, at_least=128)
    pixels = np.where(inside[..., None], image, 0.6 * image + 0.4 * 255).astype(np.uint8)
    pixels[_dilated(inside) & ~_eroded(inside)] = colour
    return pixels


def _dilated(mask: Mask) -> Mask:
    padded = np.pad(mask, 1)
    return padded[2:, 1:-1] | padded[:-2, 1:-1] | padded[1:-1, 2:] | padded[1:-1, :-2] | mask


def _eroded(mask: Mask) -> Mask:
    padded = np.pad(mask, 1, mode="edge")
    return padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2] & mask


def _scaled(mask: Mask, like: Pixels, *, at_least: int) -> Mask:
    """The mask at the size of ``like``; ``at_least`` of 255 must be covered."""
    height, width = like.shape[:2]
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX)) >= at_least


def _thumbnail(picture: Image.Image) -> Pixels:
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _mask(path: Path) -> Mask:
    return np.asarray(_open(path, "L")) >= 128


def _open(path: Path, mode: str) -> Image.Image:
    try:
        with Image.open(path) as picture:
            pixels: Image.Image = picture.convert(mode)
            return pixels
    except (OSError, SyntaxError, ValueError) as error:
        raise ArtifactError(
            f"{path} cannot be read as a picture: {error}",
            hint="run `scunext-edge bench` again with the same --out",
        ) from error


def _panel(title: str, detail: str | None, pixels: Pixels, alt: str) -> Panel:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=85, subsampling=0, optimize=True)
    uri = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    height, width = pixels.shape[:2]
    return Panel(title=title, detail=detail, uri=uri, alt=alt, width=width, height=height)
