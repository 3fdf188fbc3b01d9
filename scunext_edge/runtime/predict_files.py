"""Segment image files one by one: a mask, an overlay and a plain record of each.

A record names files and numbers; nothing in it comes from a DICOM file's text.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from scunext_edge.data.images import read_picture, write_mask
from scunext_edge.errors import DataError, EngineError
from scunext_edge.runtime.contour import contour, overlay
from scunext_edge.runtime.dicom_seg import Algorithm, Segmented, write_seg
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.symmetries import MOST
from scunext_edge.storage import new_file, storage_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of every picture beside its mask."""

    frame: int | None = None  # of files that hold several, from 1
    overlay: bool = True
    contour: bool = True
    seg: Segmented | None = None  # a DICOM Segmentation of each DICOM file, of this kind
    algorithm: Algorithm | None = None  # for ``seg``


def predict_files(
    paths: Sequence[Path],
    predictor: Predictor,
    out_dir: Path,
    *,
    wanted: Wanted | None = None,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Iterator[dict[str, Any]]:
    """Yield a record per path, ready for JSON, as soon as its files are written.

    ``time_ms`` goes from the file's bytes to the mask, without the writing. A file that is no
    readable image, or that the engine fails on, has ``status`` "failed" and a ``reason``, and
    the rest is done all the same; a folder that cannot be written to is a ``StorageError``.
    """
    for path, name in zip(paths, _names(paths, out_dir), strict=True):
        yield predict_file(path, predictor, out_dir / name, wanted=wanted, clock=clock)


def predict_file(
    path: Path,
    predictor: Predictor,
    target: Path,
    *,
    wanted: Wanted | None = None,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, Any]:
    """The record of one file, whose outputs are ``target`` with .mask.png and so on behind it."""
    wanted, known = wanted or Wanted(), dict[str, Any]()
    try:
        content = _content(path)
        known["sha256"] = hashlib.sha256(content).hexdigest()
        return _record(path, **known, **_predicted(path, content, predictor, target, wanted, clock))
    except (DataError, EngineError) as error:
        return _record(path, **known, status="failed", reason=str(error))


def _predicted(
    path: Path,
    content: bytes,
    predictor: Predictor,
    target: Path,
    wanted: Wanted,
    clock: Callable[[], int],
) -> dict[str, Any]:
    start = clock()
    picture = read_picture(content, frame=wanted.frame, name=str(path))
    prediction = predictor.predict(picture.image)
    time_ns = clock() - start
    mask_path, overlay_path, seg_path, deviation_path = _outputs(target)
    write_mask(mask_path, prediction.mask)
    for earlier in (overlay_path, seg_path, deviation_path):  # of another mask than this one
        with storage_errors(earlier):
            earlier.unlink(missing_ok=True)
    if wanted.overlay:
        _write_image(overlay_path, overlay(picture.image, prediction.mask))
    deviation = prediction.deviation_hw
    if deviation is not None:
        _write_image(deviation_path, _shades(deviation))
    with_seg = wanted.seg is not None and picture.source == "dicom"
    if wanted.seg is not None and with_seg:
        assert wanted.algorithm is not None
        write_seg(
            seg_path,
            content,
            prediction.mask,
            name=str(path),
            what=wanted.seg,
            algorithm=wanted.algorithm,
        )
    pixels = int(prediction.mask.sum())
    return {
        "mask": str(mask_path),
        "overlay": str(overlay_path) if wanted.overlay else None,
        "width": picture.image.shape[1],
        "height": picture.image.shape[0],
        "area_fraction": prediction.area_fraction,
        "contour": contour(prediction.mask) if wanted.contour else None,
        "quality": prediction.quality.to_json() if prediction.quality else None,
        "time_ms": time_ns / 1e6,
        "area_px": pixels,
        "area_mm2": picture.area_mm2(pixels),
        "spacing_mm": picture.spacing_mm,
        "spacing_at": picture.spacing_at,
        "seg": str(seg_path) if with_seg else None,
        "uncertainty": str(deviation_path) if deviation is not None else None,
        "uncertainty_mean": float(deviation.mean()) if deviation is not None else None,
        "uncertainty_by_area": (
            float(deviation.sum()) / pixels if deviation is not None and pixels else None
        ),
    }


def _content(path: Path) -> bytes:
    """The whole file: what is segmented is what its digest is taken of."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", hint="check the path") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _record(path: Path, **known: Any) -> dict[str, Any]:
    """One shape for every record: what is not known is None."""
    return {
        "image": str(path),
        "status": "ok",
        "reason": None,
        "mask": None,
        "overlay": None,
        "width": None,
        "height": None,
        "area_fraction": None,
        "contour": None,
        "quality": None,
        "time_ms": None,
        "sha256": None,
        "area_px": None,
        "area_mm2": None,
        "spacing_mm": None,
        "spacing_at": None,
        "seg": None,
        "uncertainty": None,
        "uncertainty_mean": None,
        "uncertainty_by_area": None,
        **known,
    }


def _names(paths: Sequence[Path], out_dir: Path) -> list[str]:
    """A name per path: its stem, with a number where that would overwrite another's output.

    An input is never overwritten either: x.png gives x.mask.png, which may be the next input.
    Upper and lower case count as the same, as they are on some file systems.
    """
    inputs = {_key(path) for path in paths}
    names: list[str] = []
    used: set[str] = set()
    for path in paths:
        candidates = (path.stem if n == 1 else f"{path.stem}-{n}" for n in count(1))
        name = next(
            it
            for it in candidates
            if it.casefold() not in used
            and not inputs & {_key(output) for output in _outputs(out_dir / it)}
        )
        used.add(name.casefold())
        names.append(name)
    return names


def _outputs(target: Path) -> tuple[Path, Path, Path, Path]:
    ends = ("mask.png", "overlay.png", "seg.dcm", "uncertainty.png")
    mask, overlay, seg, deviation = (target.with_name(f"{target.name}.{end}") for end in ends)
    return mask, overlay, seg, deviation


def _key(path: Path) -> str:
    return str(path.resolve()).casefold()


def _shades(deviation: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Black where the views agree, white where half of them are sure of each side."""
    return np.asarray(np.rint(255 * np.clip(deviation / MOST, 0, 1)).astype(np.uint8))


def _write_image(path: Path, image: npt.NDArray[np.uint8]) -> None:
    with new_file(path) as temporary:
        # Pillow's default saves a seventh of the bytes, and takes longer than all else together
        PillowImage.fromarray(image).save(temporary, format="PNG", compress_level=1)
