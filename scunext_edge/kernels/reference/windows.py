"""Borders, pooling and interpolation of [H, W, C] arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.kernels.reference.arithmetic import F32, Floats


def with_border(x: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """``width`` zeros on all four sides."""
    return np.pad(x, [(width, width), (width, width), (0, 0)])


def pooled(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The maximum over 2x2, stride 2."""
    rows = np.maximum(x[::2], x[1::2])
    result: npt.NDArray[Any] = np.maximum(rows[:, ::2], rows[:, 1::2])
    return result


def twice(x: npt.NDArray[Any], axis: int, *, neighbours: bool = False) -> npt.NDArray[Any]:
    """Each element twice along ``axis``; or, beside each of the two, the nearer neighbour."""
    place = np.arange(2 * x.shape[axis])
    source = place // 2 + (np.where(place % 2, 1, -1) if neighbours else 0)
    return x.take(source.clip(0, x.shape[axis] - 1), axis)


def half_pixel(x: Floats, axis: int) -> Floats:
    """Twice as many along ``axis``: bilinear, half-pixel centres."""
    result: Floats = F32(0.75) * twice(x, axis) + F32(0.25) * twice(x, axis, neighbours=True)
    return result


def corners_aligned(x: Floats, axis: int) -> Floats:
    """Twice as many along ``axis``: bilinear, first on first and last on last."""
    size = x.shape[axis]
    step = F32(size - 1) / F32(2 * size - 1)
    place = np.arange(2 * size).astype(F32) * step
    lower = np.floor(place)
    part = (place - lower).reshape([-1 if it == axis else 1 for it in range(3)])
    index = lower.astype(np.int64)
    above = np.minimum(index + 1, size - 1)
    result: Floats = x.take(index, axis) * (F32(1) - part) + x.take(above, axis) * part
    return result
