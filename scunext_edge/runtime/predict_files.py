"""Segment image files one by one: a mask, an overlay and a plain record of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from scunext_edge.data.images import read_image, write_mask
from scunext_edge.errors import DataError, EngineError
from scunext_edge.runtime.contour import contour, overlay
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.spec import Image
from scunext_edge.storage import new_file


def predict_files(
    paths: Sequence[Path],
    predictor: Predictor,
    out_dir: Path,
    *,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Iterator[dict[str, Any]]:
    """Yield a record per path, ready for JSON, as soon as its two files are written.

    ``time_ms`` goes from the file's bytes to the mask, without the writing. A file that is no
    readable image, or that the engine fails on, has ``status`` "failed" and a ``reason``, and
    the rest is done all the same; a folder that cannot be written to is a ``StorageError``.
    """
    for path, name in zip(paths, _names(paths, out_dir), strict=True):
        try:
            yield _predict_file(path, predictor, out_dir / name, clock)
        except (DataError, EngineError) as error:
            yield _record(path, status="failed", reason=str(error))


def _predict_file(
    path: Path, predictor: Predictor, target: Path, clock: Callable[[], int]
) -> dict[str, Any]:
    start = clock()
    image = read_image(path)
    prediction = predictor.predict(image)
    time_ns = clock() - start
    mask_path, overlay_path = _outputs(target)
    write_mask(mask_path, prediction.mask)
    _write_image(overlay_path, overlay(image, prediction.mask))
    return _record(
        path,
        mask=str(mask_path),
        overlay=str(overlay_path),
        width=image.shape[1],
        height=image.shape[0],
        area_fraction=prediction.area_fraction,
        contour=contour(prediction.mask),
        time_ms=time_ns / 1e6,
    )


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
        "time_ms": None,
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


def _outputs(target: Path) -> tuple[Path, Path]:
    return (
        target.with_name(f"{target.name}.mask.png"),
        target.with_name(f"{target.name}.overlay.png"),
    )


def _key(path: Path) -> str:
    return str(path.resolve()).casefold()


def _write_image(path: Path, image: Image) -> None:
    with new_file(path) as temporary:
        PillowImage.fromarray(image).save(temporary, format="PNG")
