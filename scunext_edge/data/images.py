"""One image or mask file to numpy and back. Nothing here knows about data sets."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from scunext_edge.errors import DataError
from scunext_edge.spec import Image, Mask
from scunext_edge.storage import new_file

# A closed list, because Pillow's others include interpreters (EPS) and video-like containers.
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
MAX_PIXELS = 89_478_485  # a quarter of a GiB as RGB; Pillow warns beyond it
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L")  # how Pillow names them depends on its version


def read_image(path_or_bytes: Path | bytes) -> Image:
    """Read an image as uint8 [H, W, 3] RGB, turned upright by its EXIF orientation.

    Gray becomes RGB, 16 bits become 8 by dividing by 257, an alpha channel is dropped. What
    cannot be decoded whole, or has more than ``MAX_PIXELS``, is a ``DataError``.
    """
    picture = _decode(path_or_bytes)
    if picture.mode in _SIXTEEN_BIT:
        return np.repeat(_eight_bits(picture, path_or_bytes)[:, :, None], 3, axis=2)
    return np.array(_without_alpha(picture, path_or_bytes).convert("RGB"))


def read_gray(path_or_bytes: Path | bytes) -> npt.NDArray[np.uint8]:
    """Read any image as uint8 [H, W]: one channel as it is, colours by ITU-R 601 luma."""
    picture = _decode(path_or_bytes)
    if picture.mode in _SIXTEEN_BIT:
        return _eight_bits(picture, path_or_bytes)
    return np.array(_without_alpha(picture, path_or_bytes).convert("L"))


def read_mask(path: Path) -> Mask:
    """Read a mask as bool [H, W]: true where the 8-bit value exceeds 127."""
    return read_gray(path) > 127


def write_mask(path: Path, mask: Mask) -> None:
    """Write bool [H, W] as a one-channel 8-bit PNG of 0 and 255, atomically."""
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"a mask is bool [H, W], not {mask.dtype} {mask.shape}")
    with new_file(path) as temporary:
        PillowImage.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(temporary, format="PNG")


def _decode(source: Path | bytes) -> PillowImage.Image:
    """The decoded picture, upright. Every failure of the decoder becomes a ``DataError``."""
    name = _name(source)
    try:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        with PillowImage.open(stream, formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise _too_large(name, f"{opened.width} x {opened.height} pixels")
            opened.load()
            return ImageOps.exif_transpose(opened)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{name} does not exist", hint="check the path") from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name} is no image that can be read", hint=f"use one of: {', '.join(FORMATS)}"
        ) from error
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise _too_large(name, str(error)) from error
    except Exception as error:  # decoders fail in many ways: OSError, SyntaxError, struct.error
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{name} cannot be read: {reason}", hint="the file is damaged or cut off: replace it"
        ) from error


def _eight_bits(picture: PillowImage.Image, source: Path | bytes) -> npt.NDArray[np.uint8]:
    values = np.array(picture).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise DataError(f"{_name(source)} has gray values beyond 16 bits", hint="store 8 or 16 bit")
    return ((values + 128) // 257).astype(np.uint8)


def _without_alpha(picture: PillowImage.Image, source: Path | bytes) -> PillowImage.Image:
    """A palette with transparency goes by way of RGBA, as Pillow asks for."""
    if picture.mode == "P" and "transparency" in picture.info:
        return picture.convert("RGBA")
    if picture.mode == "F":
        raise DataError(f"{_name(source)} holds floating-point values", hint="store 8 or 16 bit")
    return picture


def _too_large(name: str, found: str) -> DataError:
    return DataError(
        f"{name} is too large: {found}", hint=f"at most {MAX_PIXELS:,} pixels are decoded"
    )


def _name(source: Path | bytes) -> str:
    return f"an image of {len(source)} bytes" if isinstance(source, bytes) else str(source)
