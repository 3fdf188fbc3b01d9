"""From the bytes of a picture to what the server answers. Runs in a worker."""

from __future__ import annotations

import hashlib
import io
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from scunext_edge.data.images import FORMATS, read_picture
from scunext_edge.data.picture import TooLarge
from scunext_edge.errors import BackendMissing, DataError, EngineError
from scunext_edge.runtime.contour import contour
from scunext_edge.runtime.predictor import Predictor, at_image_size
from scunext_edge.serve.problems import Problem
from scunext_edge.spec import Image

_SMALLER = "make it smaller, or crop it around the lesion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client wants beside the mask."""

    max_pixels: int
    mm_per_pixel: float | None = None
    frame: int | None = None  # of several, from 1
    logits: bool = False
    picture: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Fields for JSON; blobs by name: ``mask`` (PNG), ``logits`` (float32), ``picture`` (PNG)."""

    fields: dict[str, Any]
    blobs: dict[str, bytes]


def segment(predictor: Predictor, body: bytes, asked: Asked) -> Done:
    """Decode, run, measure, encode. What is no picture is a ``Problem``."""
    clock = _Clock()
    image, spacing, source = _decoded(body, asked)
    clock.stage("decode")
    try:
        run = predictor.run(image)
    except EngineError as error:
        raise Problem("internal", str(error), error.hint) from error
    clock.stage("network")
    height, width = image.shape[:2]
    prediction = at_image_size(run, height, width)
    outlines = contour(prediction.mask)
    clock.stage("measure")
    blobs = {"mask": _png(prediction.mask.astype(np.uint8) * np.uint8(255))}
    if asked.logits:
        blobs["logits"] = np.ascontiguousarray(run.logits, "<f4").tobytes()
    if asked.picture:
        blobs["picture"] = _png(image)
    clock.stage("encode")
    area = int(prediction.mask.sum())
    fields = {
        "picture_sha256": hashlib.sha256(body).hexdigest(),
        "width": width,
        "height": height,
        "area_pixels": area,
        "area_fraction": prediction.area_fraction,
        "spacing_mm": spacing,
        "spacing_from": source,
        "area_mm2": None if spacing is None else area * spacing[0] * spacing[1],
        "contour": outlines,
        "quality": run.quality and run.quality.to_json(),
        "logits_size": list(run.logits.shape[::-1]),
        "time_ms": clock.ms,
    }
    return Done(fields=fields, blobs=blobs)


def _decoded(body: bytes, asked: Asked) -> tuple[Image, tuple[float, float] | None, str | None]:
    """The image, its spacing in mm between rows and columns, and who says so."""
    _check_header(body, asked.max_pixels)
    try:
        picture = read_picture(
            body, frame=asked.frame, name="the picture", max_pixels=asked.max_pixels
        )
    except TooLarge as error:  # of what _check_header does not see: DICOM, a later page of a TIFF
        raise Problem("too-many-pixels", f"{error}; {error.hint}", _SMALLER) from error
    except DataError as error:
        raise Problem("no-picture", str(error), error.hint) from error
    except BackendMissing as error:
        raise Problem("wrong-type", str(error), error.hint) from error
    image = picture.image
    if asked.mm_per_pixel is not None:
        return image, (asked.mm_per_pixel, asked.mm_per_pixel), "request"
    return image, picture.spacing_mm, picture.spacing_at


def _check_header(body: bytes, max_pixels: int) -> None:
    """From the header alone: a small file can hold a huge picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)
            with PillowImage.open(io.BytesIO(body), formats=FORMATS) as opened:
                width, height = opened.size
    except PillowImage.DecompressionBombError as error:
        raise Problem(
            "too-many-pixels", f"the picture has far more than {max_pixels:,} pixels", _SMALLER
        ) from error
    except UnidentifiedImageError:
        return  # of a format that has limits of its own, or no picture: its reader says so
    except Exception:
        return  # damaged: the reader says how
    _check_pixels(height, width, max_pixels)


def _check_pixels(height: int, width: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise Problem(
            "too-many-pixels",
            f"the picture has {width} x {height} pixels; at most {max_pixels:,} are taken",
            _SMALLER,
        )


def _png(pixels: Image) -> bytes:
    stream = io.BytesIO()
    PillowImage.fromarray(pixels).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


class _Clock:
    """Milliseconds of each stage."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._last = time.perf_counter_ns()

    def stage(self, name: str) -> None:
        now = time.perf_counter_ns()
        self.ms[name] = (now - self._last) / 1e6
        self._last = now
