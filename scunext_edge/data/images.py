"""One image or mask file to numpy and back. Nothing here knows about data sets.

DICOM files are told by their content and read by ``data.dicom``.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from scunext_edge.data.dicom import is_dicom, read_dicom
from scunext_edge.data.picture import Picture, TooLarge
from scunext_edge.errors import DataError
from scunext_edge.spec import Image, Mask
from scunext_edge.storage import new_file

# A closed list, because Pillow's others include interpreters (EPS) and video-like containers.
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_PAGED = ("PNG", "TIFF", "WEBP")
MAX_PIXELS = 89_478_485  # a quarter of a GiB as RGB; Pillow warns beyond it
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L")  # how Pillow names them depends on its version


def read_image(path_or_bytes: Path | bytes) -> Image:
    """Read an image as uint8 [H, W, 3] RGB, turned upright by its EXIF orientation.

    Gray becomes RGB, 16 bits become 8 by dividing by 257, an alpha channel is dropped; DICOM
    is shown as its header says (docs/hospital.md). What cannot be decoded whole, has several
    frames, or more than ``MAX_PIXELS``, is a ``DataError``.
    """
    return read_picture(path_or_bytes).image


def read_picture(
    path_or_bytes: Path | bytes,
    *,
    frame: int | None = None,
    name: str | None = None,
    max_pixels: int | None = None,
) -> Picture:
    """As :func:`read_image`, with what a DICOM file says about millimetres.

    ``frame`` chooses one of several, from 1: a DICOM file's, or a page of a TIFF. ``name``
    stands for bytes in messages. More than ``max_pixels`` (``MAX_PIXELS``), by the header,
    is ``TooLarge``.
    """
    name = name or _name(path_or_bytes)
    most = MAX_PIXELS if max_pixels is None else max_pixels
    if is_dicom(path_or_bytes):
        return read_dicom(path_or_bytes, name=name, max_pixels=most, frame=frame)
    picture = _decode(path_or_bytes, name, frame, most)
    if picture.mode in _SIXTEEN_BIT:
        image = np.repeat(_eight_bits(picture, name)[:, :, None], 3, axis=2)
    else:
        image = np.array(_without_alpha(picture, name).convert("RGB"))
    return Picture(image=image, source="picture")


def read_gray(path_or_bytes: Path | bytes) -> npt.NDArray[np.uint8]:
    """Read any image as uint8 [H, W]: one channel as it is, colours by ITU-R 601 luma."""
    if is_dicom(path_or_bytes):
        return np.array(PillowImage.fromarray(read_image(path_or_bytes)).convert("L"))
    name = _name(path_or_bytes)
    picture = _decode(path_or_bytes, name, None, MAX_PIXELS)
    if picture.mode in _SIXTEEN_BIT:
        return _eight_bits(picture, name)
    return np.array(_without_alpha(picture, name).convert("L"))


def read_mask(path: Path) -> Mask:
    """Read a mask as bool [H, W]: true where the 8-bit value exceeds 127."""
    return read_gray(path) > 127


def write_mask(path: Path, mask: Mask) -> None:
    """Write bool [H, W] as a one-channel 8-bit PNG of 0 and 255, atomically."""
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"a mask is bool [H, W], not {mask.dtype} {mask.shape}")
    with new_file(path) as temporary:
        PillowImage.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(temporary, format="PNG")


def _decode(
    source: Path | bytes, name: str, frame: int | None, max_pixels: int
) -> PillowImage.Image:
    """The decoded picture, upright. Every failure of the decoder becomes a ``DataError``."""
    try:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        with PillowImage.open(stream, formats=FORMATS) as opened:
            _check_size(opened, name, max_pixels)
            _turn_to(opened, frame, name)
            _check_size(opened, name, max_pixels)
            opened.load()
            return ImageOps.exif_transpose(opened)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{name} does not exist", hint="check the path") from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name} is no image that can be read",
            hint=f"use one of: {', '.join(FORMATS)}, or DICOM with its preamble (PS3.10)",
        ) from error
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise _too_large(name, str(error), max_pixels) from error
    except Exception as error:  # decoders fail in many ways: OSError, SyntaxError, struct.error
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{name} cannot be read: {reason}", hint="the file is damaged or cut off: replace it"
        ) from error


def _turn_to(opened: PillowImage.Image, frame: int | None, name: str) -> None:
    """Of pages and animations one is chosen; a JPEG that holds several is a phone's photo first."""
    frames = getattr(opened, "n_frames", 1) if opened.format in _PAGED else 1
    which = f"choose one with --frame, from 1 to {frames}"
    if frame is None and frames > 1:
        raise DataError(
            f"{name} holds {frames} frames, and one picture is segmented at a time", hint=which
        )
    if frame is not None and not 1 <= frame <= frames:
        raise DataError(f"{name} has no frame {frame}", hint=which)
    if frames > 1:
        opened.seek((frame or 1) - 1)


def _check_size(opened: PillowImage.Image, name: str, max_pixels: int) -> None:
    if opened.width * opened.height > max_pixels:
        raise _too_large(name, f"{opened.width} x {opened.height} pixels", max_pixels)


def _eight_bits(picture: PillowImage.Image, name: str) -> npt.NDArray[np.uint8]:
    values = np.array(picture).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise DataError(f"{name} has gray values beyond 16 bits", hint="store 8 or 16 bit")
    return ((values + 128) // 257).astype(np.uint8)


def _without_alpha(picture: PillowImage.Image, name: str) -> PillowImage.Image:
    """A palette with transparency goes by way of RGBA, as Pillow asks for."""
    if picture.mode == "P" and "transparency" in picture.info:
        return picture.convert("RGBA")
    if picture.mode == "F":
        raise DataError(f"{name} holds floating-point values", hint="store 8 or 16 bit")
    return picture


def _too_large(name: str, found: str, max_pixels: int) -> TooLarge:
    return TooLarge(
        f"{name} is too large: {found}", hint=f"at most {max_pixels:,} pixels are decoded"
    )


def _name(source: Path | bytes) -> str:
    return f"an image of {len(source)} bytes" if isinstance(source, bytes) else str(source)
