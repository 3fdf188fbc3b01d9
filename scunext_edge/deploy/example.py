"""A program in C that gives the masks of a bundle's native INT8 form, with what proves it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image as PillowImage

FORM = "native-int8"  # only INT8 gives the same mask everywhere, to the pixel
FOLDER = "c"
_SOURCES = Path(__file__).with_name("c")
_PICTURES = 2  # the smallest ones: PPM is not compressed


def write_example(folder: Path, images: Sequence[Path], masks: Path) -> None:
    """Write ``c/``: sources, and some of the golden ``images`` and ``masks`` in C's formats.

    The library and its header stay in the wheel, from which the Makefile takes them.
    """
    place = folder / FOLDER
    (place / "golden").mkdir(parents=True)
    for path in sorted(_SOURCES.iterdir()):
        shutil.copyfile(path, place / path.name)
    for path in sorted(images, key=lambda it: (_pixels(it), it.name))[:_PICTURES]:
        for source, mode, suffix in ((path, "RGB", ".ppm"), (masks / path.name, "L", ".pgm")):
            with PillowImage.open(source) as opened:
                opened.convert(mode).save(place / "golden" / f"{path.stem}{suffix}", format="PPM")


def _pixels(path: Path) -> int:
    with PillowImage.open(path) as opened:
        return int(opened.width * opened.height)
