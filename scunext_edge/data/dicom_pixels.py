"""From a DICOM frame's stored values to RGB, by the rules of PS3.3 C.7.6.3, C.8.11.3 and C.11.

Nothing here opens a file. The values of gray pictures have 16 bits at most, so the whole chain
(modality, VOI, inversion, 8 bits) is worked out once for every possible value, as a table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.spec import Array, Image

Values = npt.NDArray[np.float64]

GRAY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
PALETTE = "PALETTE COLOR"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"


class Unusable(Exception):
    """The header asks for what the standard forbids; the message holds no value of the file."""


def gray_to_rgb(stored: Array, dataset: Any, *, packed: bool) -> Image:
    """Integers [H, W] as decoded to uint8 [H, W, 3]; ``packed``: as they lie in the file."""
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation) == 1
    values = _stored_bits(stored, dataset, packed=packed)
    least = -(1 << (bits - 1)) if signed else 0
    possible = np.arange(least, least + (1 << bits), dtype=np.int32)
    table = _shades(possible, dataset)
    gray = table[values - least]
    return np.repeat(gray[:, :, None], 3, axis=2)


def colour_to_rgb(decoded: Array, dataset: Any) -> Image:
    """Unsigned RGB [H, W, 3], colour space already converted, to 8 bits."""
    return _eight_bits(decoded, int(dataset.BitsStored))


def palette_to_rgb(stored: Array, dataset: Any, *, packed: bool) -> Image:
    """Indices [H, W] through the palette; an alpha palette is left out."""
    from pydicom.pixels import apply_color_lut

    indices = _stored_bits(stored, dataset, packed=packed).astype(np.uint16)
    colours = apply_color_lut(indices, dataset)[:, :, :3]
    return _eight_bits(colours, 8 * colours.dtype.itemsize)


def _stored_bits(decoded: Array, dataset: Any, *, packed: bool) -> npt.NDArray[np.int32]:
    """The BitsStored bits of each value, below HighBit, with their sign; others may be overlays."""
    bits, high = int(dataset.BitsStored), int(dataset.HighBit)
    if not 1 <= bits <= high + 1 <= int(dataset.BitsAllocated) <= 16:
        raise Unusable("its BitsAllocated, BitsStored and HighBit contradict each other")
    shift = high + 1 - bits if packed else 0
    values = (decoded.astype(np.int32) >> shift) & ((1 << bits) - 1)
    if int(dataset.PixelRepresentation) == 1:
        sign = 1 << (bits - 1)
        values = (values ^ sign) - sign
    return values.astype(np.int32)


def _shades(possible: npt.NDArray[np.int32], dataset: Any) -> npt.NDArray[np.uint8]:
    """The uint8 shade of every stored value, in their order.

    A VOI LUT goes before a window where a file has both; of several, the first is the default.
    """
    values, low, high = _modality(possible.astype(np.float64), dataset)
    if dataset.get("VOILUTSequence"):
        found, top = _looked_up(values, dataset.VOILUTSequence[0], dataset)
        shown = found / top
    elif _first(dataset.get("WindowCenter")) is not None:
        shown = _windowed(values, dataset)
    else:  # PS3.3 C.11.2: without a VOI transformation the whole range is what is shown
        shown = (values - low) / (high - low) if high > low else np.zeros_like(values)
    if _inverted(dataset):
        shown = 1 - shown
    if not np.isfinite(shown).all():
        raise Unusable("its rescale slope, intercept or window are no finite numbers")
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255), np.uint8)


def _modality(values: Values, dataset: Any) -> tuple[Values, float, float]:
    """``values`` in units of the modality, and the least and the most that these can be."""
    if dataset.get("ModalityLUTSequence"):
        found, top = _looked_up(values, dataset.ModalityLUTSequence[0], dataset)
        return found, 0.0, top
    slope, intercept = (dataset.get(f"Rescale{name}") for name in ("Slope", "Intercept"))
    if slope is not None and intercept is not None:
        values = values * float(slope) + float(intercept)
    return values, float(values.min()), float(values.max())


def _inverted(dataset: Any) -> bool:
    inverse = dataset.get("PresentationLUTShape") == "INVERSE"
    if inverse and dataset.PhotometricInterpretation == "MONOCHROME2":
        raise Unusable("it says both MONOCHROME2 and the presentation LUT shape INVERSE")
    return bool(dataset.PhotometricInterpretation == "MONOCHROME1")


def _looked_up(values: Values, item: Any, dataset: Any) -> tuple[Values, float]:
    """``values`` through a LUT, and the highest value that it may hold (PS3.3 C.11.1.1)."""
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    entries = entries or 65536
    if first > 32767 and values.min() < 0:  # read as unsigned, where it is signed
        first -= 65536
    if not 1 <= bits <= 16:
        raise Unusable("a lookup table of it has entries of an unknown depth")
    data = item.LUTData
    if isinstance(data, bytes):
        big = str(dataset.file_meta.TransferSyntaxUID) == _BIG_ENDIAN
        words = np.frombuffer(data, ">u2" if big else "<u2")
    else:
        words = np.atleast_1d(np.asarray(data, np.uint16))
    if bits == 8 and len(words) == (entries + 1) // 2:  # two to a word, the lower one first
        words = words.astype("<u2").view(np.uint8)
    if len(words) < entries:
        raise Unusable("a lookup table of it is shorter than it says")
    at = np.clip(np.floor(values) - first, 0, entries - 1).astype(np.intp)
    return words[at].astype(np.float64), float((1 << bits) - 1)


def _windowed(values: Values, dataset: Any) -> Values:
    """The first window, by its function (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    function = dataset.get("VOILUTFunction") or "LINEAR"
    least = 1 if function == "LINEAR" else 0
    if centre is None or width is None or width < least or width == 0:
        raise Unusable("its window has no width")
    if function == "SIGMOID":
        with np.errstate(over="ignore"):  # far below the window: exp overflows to 0 as it should
            curve: Values = 1 / (1 + np.exp(-4 * (values - centre) / width))
        return curve
    if function == "LINEAR_EXACT":
        return (values - centre) / width + 0.5
    if function != "LINEAR":
        raise Unusable("its VOI LUT function is none of LINEAR, LINEAR_EXACT and SIGMOID")
    if width == 1:
        return np.asarray(values > centre - 0.5, np.float64)
    return (values - (centre - 0.5)) / (width - 1) + 0.5


def _first(value: Any) -> float | None:
    """A window may be one number or several; the first is the default."""
    if value is None or value == "":
        return None
    if hasattr(value, "__len__") and not isinstance(value, str):
        return float(value[0]) if len(value) else None
    return float(value)


def _eight_bits(values: Array, bits: int) -> Image:
    if bits == 8 and values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    top = (1 << bits) - 1
    kept = values.astype(np.int64) & top
    return ((kept * 255 + top // 2) // top).astype(np.uint8)
