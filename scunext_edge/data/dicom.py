"""DICOM files: which are read, and what is refused before a pixel is decoded.

pydicom's messages and warnings quote values of a file, and those are about patients. So nothing
of them is passed on: a message of ours names the file, the kind of object and numbers of pixels.
"""

from __future__ import annotations

import io
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scunext_edge.data import dicom_pixels
from scunext_edge.data.codestream import coded_size
from scunext_edge.data.dicom_pixels import COLOUR, GRAY, PALETTE, Unusable
from scunext_edge.data.picture import Picture, TooLarge
from scunext_edge.errors import DataError, ScunextEdgeError, require
from scunext_edge.spec import Array, Image

Source = Path | bytes

# Photographs, plain X-rays, and what other pictures are wrapped in. Names as in PS3.6.
STORAGES = {
    "1.2.840.10008.5.1.4.1.1.77.1.7": "Dermoscopic Photography Image Storage",
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VL Photographic Image Storage",
    "1.2.840.10008.5.1.4.1.1.1": "Computed Radiography Image Storage",
    "1.2.840.10008.5.1.4.1.1.1.1": "Digital X-Ray Image Storage - For Presentation",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture Image Storage",
    "1.2.840.10008.5.1.4.1.1.7.2": "Multi-frame Grayscale Byte Secondary Capture Image Storage",
    "1.2.840.10008.5.1.4.1.1.7.3": "Multi-frame Grayscale Word Secondary Capture Image Storage",
    "1.2.840.10008.5.1.4.1.1.7.4": "Multi-frame True Color Secondary Capture Image Storage",
}
_X_RAYS = ("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1")
_RAW_X_RAY = "1.2.840.10008.5.1.4.1.1.1.1.1"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
# Transfer syntax: pydicom's plugin, the module it needs, and that module's package. One decoder
# each, so that a file has the same pixels on every machine.
_J2K = ("pylibjpeg", "openjpeg", "pylibjpeg-openjpeg")
_GDCM = ("gdcm", "gdcm", "python-gdcm")
_PILLOW = ("pillow", "PIL", "pillow")
_JPEG_LS = ("pyjpegls", "jpeg_ls", "pyjpegls")
_DECODERS = {
    "1.2.840.10008.1.2.4.50": _PILLOW,  # JPEG baseline
    "1.2.840.10008.1.2.4.51": _PILLOW,  # JPEG extended; those of 12 bits are refused
    "1.2.840.10008.1.2.4.57": _GDCM,  # JPEG lossless
    "1.2.840.10008.1.2.4.70": _GDCM,
    "1.2.840.10008.1.2.4.80": _JPEG_LS,
    "1.2.840.10008.1.2.4.81": _JPEG_LS,
    **{f"1.2.840.10008.1.2.4.{n}": _J2K for n in (90, 91, 201, 202, 203)},
    "1.2.840.10008.1.2.5": ("pydicom", "pydicom", "pydicom"),  # RLE
}
_DAMAGED = "the file is damaged or cut off: have it sent again"


def is_dicom(source: Source) -> bool:
    """Whether this is a DICOM file (PS3.10): "DICM" stands behind 128 bytes of preamble.

    A file that cannot be opened is none; who reads it will say why.
    """
    if isinstance(source, bytes):
        return source[128:132] == b"DICM"
    try:
        if not source.is_file():  # a look into a pipe would take away what it says
            return False
        with source.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_dicom(source: Source, *, name: str, max_pixels: int, frame: int | None = None) -> Picture:
    """The frame (from 1; may be left out where there is one) as RGB. Else a ``DataError``.

    ``name`` stands for the file in messages. ICC profiles, overlays and pixel padding are not
    applied. Without pydicom: ``BackendMissing``.
    """
    with opened(source, name=name) as dataset:
        index = _check(dataset, name, max_pixels, frame)
        whole = _read(source, pixels=True)
        return Picture(
            image=_image(whole, name, index),
            source="dicom",
            **_spacing(dataset),
        )


@contextmanager
def opened(
    source: Source, *, name: str, failing: str = "its header or its pixels cannot be decoded"
) -> Iterator[Any]:
    """The data set without its pixels, for a block in which pydicom may fail as it likes."""
    require("pydicom", "dicom", needed_for="a DICOM file")
    reason = None
    with _silence():
        try:
            _refuse_deflated(source, name)
            yield _read(source, pixels=False)
        except (ScunextEdgeError, MemoryError):
            raise
        except Unusable as error:
            reason = str(error)
        except OSError as error:
            reason = error.strerror or failing
        except Exception:  # pydicom, its decoders and their exceptions are many
            reason = failing
    if reason is not None:
        refused = DataError(f"{name} cannot be read: {reason}", hint=_DAMAGED)
        try:
            raise refused from None
        finally:  # what failed in the block hangs on to it, with what pydicom said of the file
            refused.__context__ = None


def _read(source: Source, *, pixels: bool) -> Any:
    from pydicom import dcmread

    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    return dcmread(stream, stop_before_pixels=not pixels)


def _refuse_deflated(source: Source, name: str) -> None:
    """Its header is compressed too, so that its size is known only when it has been inflated."""
    if isinstance(source, bytes):
        head = source[:2048]
    else:
        with source.open("rb") as stream:
            head = stream.read(2048)
    if _DEFLATED in head:
        raise DataError(
            f"{name} is compressed as a whole (Deflated Explicit VR Little Endian)",
            hint="convert it to Explicit VR Little Endian, e.g. with dcmconv +te",
        )


def _check(dataset: Any, name: str, max_pixels: int, frame: int | None) -> int:
    """Refuse by the header alone; the index of the frame to decode."""
    _check_kind(dataset, name)
    height, width = int(dataset.Rows), int(dataset.Columns)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if min(height, width, frames) < 1:
        raise Unusable("it holds no pixels")
    if height * width > max_pixels:
        raise TooLarge(
            f"{name} is too large: {width} x {height} pixels",
            hint=f"at most {max_pixels:,} pixels are decoded",
        )
    if frame is None and frames > 1:
        raise DataError(
            f"{name} holds {frames} frames, and one picture is segmented at a time",
            hint=f"choose one with --frame, from 1 to {frames}",
        )
    if frame is not None and not 1 <= frame <= frames:
        raise DataError(
            f"{name} has no frame {frame}", hint=f"choose one with --frame, from 1 to {frames}"
        )
    _check_form(dataset, name)
    return (frame or 1) - 1


def _check_kind(dataset: Any, name: str) -> None:
    kind = str(dataset.get("SOPClassUID") or "")
    if kind in STORAGES:
        return
    if kind == _RAW_X_RAY:
        raise DataError(
            f"{name} is Digital X-Ray Image Storage - For Processing: raw detector values, which "
            "are not meant to be looked at",
            hint="send the image For Presentation of the same study",
        )
    raise DataError(
        f"{name} is {_named(kind)}, of which no picture is segmented",
        hint=f"these are: {', '.join(STORAGES.values())}",
    )


def _check_form(dataset: Any, name: str) -> None:
    form, bits = str(dataset.PhotometricInterpretation), int(dataset.BitsAllocated)
    if form not in (*GRAY, *COLOUR, PALETTE):
        raise DataError(
            f"{name} has a photometric interpretation that is not read",
            hint=f"these are: {', '.join((*GRAY, *COLOUR, PALETTE))}",
        )
    if (int(dataset.SamplesPerPixel) == 3) != (form in COLOUR):
        raise Unusable("its number of samples does not fit its photometric interpretation")
    signed = int(dataset.PixelRepresentation) == 1
    if bits > 16 or (form in COLOUR and signed):
        raise DataError(
            f"{name} has {'signed colours' if signed and bits <= 16 else f'values of {bits} bits'}",
            hint="gray values of at most 16 bits and unsigned colours of at most 16 are read",
        )
    if form == PALETTE and signed:
        raise Unusable("the indices of its palette are signed")
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if syntax in _UNCOMPRESSED:
        return
    if syntax not in _DECODERS or (_DECODERS[syntax] == _PILLOW and bits > 8):
        raise DataError(
            f"{name} is compressed as {_named(syntax)}, for which there is no decoder here",
            hint="convert it to Explicit VR Little Endian where it is stored",
        )
    plugin, module, package = _DECODERS[syntax]
    lacks = [module] if find_spec(module) is None else []
    lacks += ["pylibjpeg"] if plugin == "pylibjpeg" and find_spec("pylibjpeg") is None else []
    if lacks:
        raise DataError(
            f"{name} is compressed as {_named(syntax)}, whose decoder is not installed",
            hint=f"pip install {package}{' pylibjpeg' if plugin == 'pylibjpeg' else ''}, "
            "or 'scunext-edge[dicom]'",
        )


def _image(dataset: Any, name: str, index: int) -> Image:
    """RGB of one frame of a data set that was checked."""
    form = str(dataset.PhotometricInterpretation)
    packed = str(dataset.file_meta.TransferSyntaxUID) in _UNCOMPRESSED
    decoded = _decoded(dataset, name, index, packed=packed)
    if form in GRAY:
        return dicom_pixels.gray_to_rgb(decoded, dataset, packed=packed)
    if form == PALETTE:
        return dicom_pixels.palette_to_rgb(decoded, dataset, packed=packed)
    return dicom_pixels.colour_to_rgb(decoded, dataset)


def _decoded(dataset: Any, name: str, index: int, *, packed: bool) -> Array:
    """One frame's values [H, W] or RGB [H, W, 3]; what a codestream claims is checked first."""
    from pydicom.encaps import get_frame
    from pydicom.pixels import pixel_array

    frames = int(dataset.get("NumberOfFrames") or 1)
    shape = (int(dataset.Rows), int(dataset.Columns))
    if packed:
        # Bits beside those stored are dealt with by dicom_pixels, wherever these lie.
        found: Array = pixel_array(dataset, index=index, correct_unused_bits=False)
    else:
        claimed = coded_size(get_frame(dataset.PixelData, index, number_of_frames=frames))
        if claimed not in (None, shape):
            raise Unusable("its compressed picture has another size than its header says")
        plugin = _DECODERS[str(dataset.file_meta.TransferSyntaxUID)][0]
        found = pixel_array(dataset, index=index, decoding_plugin=plugin)
    if found.shape[:2] != shape:
        raise Unusable("its pixels are not as many as its header says")
    return found


def _spacing(dataset: Any) -> dict[str, Any]:
    """``spacing_mm`` and ``spacing_at`` of a Picture (PS3.3 10.7).

    In an X-ray, ImagerPixelSpacing is that of the detector, and PixelSpacing is that of the
    patient only where it was calibrated, which is said or shows in its being another one.
    """
    plain, imager = _pair(dataset.get("PixelSpacing")), _pair(dataset.get("ImagerPixelSpacing"))
    if str(dataset.SOPClassUID) not in _X_RAYS:
        return {"spacing_mm": plain, "spacing_at": "object" if plain else None}
    said = dataset.get("PixelSpacingCalibrationType") in ("FIDUCIAL", "GEOMETRY")
    calibrated = plain is not None and (said or imager not in (None, plain))
    if calibrated:
        return {"spacing_mm": plain, "spacing_at": "object"}
    found = imager or plain
    return {"spacing_mm": found, "spacing_at": "detector" if found else None}


def _pair(value: Any) -> tuple[float, float] | None:
    if not value or len(value) != 2:
        return None
    rows, columns = float(value[0]), float(value[1])
    return (rows, columns) if 0 < rows < 1e3 and 0 < columns < 1e3 else None


def _named(uid: str) -> str:
    """The standard's name of a UID; what is no UID at all is not repeated."""
    from pydicom.uid import UID

    if not re.fullmatch(r"[0-9.]{1,64}", uid):
        return "an object of no known kind"
    return str(UID(uid).name)


_silent = threading.Lock()
_silenced: list[warnings.catch_warnings[Any]] = []  # one per block that is open


@contextmanager
def _silence() -> Iterator[None]:
    """pydicom warns and logs with values of the file. Threads share the filters, hence a count."""
    logger = logging.getLogger("pydicom")
    with _silent:
        if not _silenced:
            outer = warnings.catch_warnings()
            outer.__enter__()
            warnings.simplefilter("ignore")
            logger.disabled = True
            _silenced.append(outer)
        else:
            _silenced.append(_silenced[0])
    try:
        yield
    finally:
        with _silent:
            last = _silenced.pop()
            if not _silenced:
                logger.disabled = False
                last.__exit__(None, None, None)
