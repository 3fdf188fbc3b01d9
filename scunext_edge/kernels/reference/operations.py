"""What each kind of operation computes before its activation: one function each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scunext_edge.kernels.plan import Kind, TensorType
from scunext_edge.kernels.reference.arithmetic import F32, Floats, fold, relu, share, sigmoid
from scunext_edge.kernels.reference.convolutions import (
    conv,
    deconv,
    depthwise,
    linear,
    tail_deconv,
)
from scunext_edge.kernels.reference.inputs import Inputs
from scunext_edge.kernels.reference.windows import (
    corners_aligned,
    half_pixel,
    pooled,
    twice,
    with_border,
)


def normalize(it: Inputs) -> list[Floats]:
    """A q8 image has a fourth channel, which is 0."""
    assert it.image is not None
    pixels = it.image.astype(F32) * it.blob(0) + it.blob(1)
    return [np.pad(pixels, [(0, 0), (0, 0), (0, it.channels - 3)])]


def layernorm(it: Inputs) -> list[Floats]:
    x = it.value()
    part = share(x.shape[-1])
    centred = x - (fold(x, 16) * part)[..., None]
    variance = fold(centred * centred, 16) * part
    inverse = F32(1) / np.sqrt(variance + F32(it.op.values[0]))
    return [(centred * inverse[..., None]) * it.blob(0) + it.blob(1)]


def upsample(it: Inputs) -> list[Floats]:
    x = it.value()
    if it.op.mode == 2:
        return [x.repeat(2, axis=0).repeat(2, axis=1)]
    along = corners_aligned if it.op.mode == 1 else half_pixel
    return [along(along(x, 0), 1)]


def max_pool(it: Inputs) -> list[Floats]:
    return [pooled(it.value())]


def channel_stats(it: Inputs) -> list[Floats]:
    x = it.value()
    sums = fold(x.swapaxes(1, 2), 8)
    return [np.concatenate([sums, x.max(axis=1)], axis=-1)[:, None]]


def channel_gate(it: Inputs) -> list[Floats]:
    rows = it.value(0)[:, 0]
    height, width, channels = it.raw(1).shape
    total = rows[0, :channels]
    for row in rows[1:, :channels]:
        total = total + row
    result = _two_layers(it, total * share(height * width))
    if it.op.mode == 0:
        result = result + _two_layers(it, rows[:, channels:].max(axis=0))
    return [sigmoid(result)[None, None]]


def spatial_summary(it: Inputs) -> list[Floats]:
    x = it.value()
    if it.has(1):
        x = x * it.value(1)
    return [(fold(x, 8) * share(x.shape[-1]))[..., None], x.max(axis=-1, keepdims=True)]


def spatial_gate(it: Inputs) -> list[Floats]:
    weights = it.blob(0).reshape(2, 7, 7)
    height, width, _ = it.raw().shape
    total = np.full((height, width, 1), it.blob(1)[0])
    for source in (0, 1):
        padded = with_border(it.value(source), 3)
        for ky in range(7):
            for kx in range(7):
                tap = padded[ky : ky + height, kx : kx + width]
                total = total + weights[source, ky, kx] * tap
    return [total]


def cross(it: Inputs) -> list[Floats]:
    s = it.value(0)
    for factor in (1, 2):
        if it.has(factor):
            s = s * it.value(factor)
    if not it.has(3):
        return [s]
    z, x = it.value(3), it.value(4)
    return [(s + z) * x + z]


def eltwise(it: Inputs) -> list[Floats]:
    a = it.value(0)
    if it.op.mode == 0:
        return [a + it.value(1)]
    if it.op.mode == 1:
        return [a * it.value(1)]
    return [a * it.blob(0) + it.blob(1)]


def concat(it: Inputs) -> list[Floats]:
    return [np.concatenate([it.value(i) for i in range(6) if it.has(i)], axis=-1)]


def tail(it: Inputs) -> list[Floats]:
    return [fold(it.value() * it.blob(0), 8) + it.blob(1)[0]]


def tail_upsample(it: Inputs) -> list[Floats]:
    if it.tensor(0).type is not TensorType.Q16:
        x = relu(half_pixel(half_pixel(it.value(), 0), 1))
        return [fold(x * it.blob(0), 8) + it.blob(1)[0]]
    total = it.raw().astype(np.int64)
    for axis in (0, 1):
        total = 3 * twice(total, axis) + twice(total, axis, neighbours=True)
    total = np.maximum(total, 0) @ it.blob(0).astype(np.int64)
    return [total.astype(np.int32).astype(F32) * F32(it.op.values[0]) + it.blob(1)[0]]


COMPUTE: dict[Kind, Callable[[Inputs], list[Floats]]] = {
    Kind.NORMALIZE: normalize,
    Kind.CONV: conv,
    Kind.LINEAR: linear,
    Kind.DEPTHWISE: depthwise,
    Kind.LAYERNORM: layernorm,
    Kind.UPSAMPLE: upsample,
    Kind.DECONV: deconv,
    Kind.MAX_POOL: max_pool,
    Kind.CHANNEL_STATS: channel_stats,
    Kind.CHANNEL_GATE: channel_gate,
    Kind.SPATIAL_SUMMARY: spatial_summary,
    Kind.SPATIAL_GATE: spatial_gate,
    Kind.CROSS: cross,
    Kind.ELTWISE: eltwise,
    Kind.CONCAT: concat,
    Kind.TAIL: tail,
    Kind.TAIL_UPSAMPLE: tail_upsample,
    Kind.TAIL_DECONV: tail_deconv,
}


def _two_layers(it: Inputs, v: Floats) -> Floats:
    first, second = it.blob(0).reshape(len(v), -1), it.blob(2).reshape(-1, len(v))
    hidden = it.blob(1)
    for channel, row in zip(v, first, strict=True):
        hidden = hidden + row * channel
    result = it.blob(3)
    for unit, row in zip(relu(hidden), second, strict=True):
        result = result + row * unit
    return result
