"""What the convolutions compute before their activation: exact integers, or sums in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.kernels.plan import Gather
from scunext_edge.kernels.reference.arithmetic import F32, Floats, Stored, relu
from scunext_edge.kernels.reference.inputs import Inputs
from scunext_edge.kernels.reference.windows import pooled, with_border


def conv(it: Inputs) -> list[Floats]:
    x, stride, dilation = it.raw(), it.op.stride, it.op.dilation
    height, width, channels = x.shape
    weights = it.blob(0).reshape(3, 3, channels, -1)
    padded = with_border(x, dilation).astype(np.float64)
    total = it.blob(1).astype(np.float64)  # exact for integers, which stay below 2^53
    for ky in range(3):
        for kx in range(3):
            top, left = ky * dilation, kx * dilation
            tap = padded[top : top + height : stride, left : left + width : stride]
            total = total + tap @ weights[ky, kx].astype(np.float64)
    return [_scaled(it, pooled(total) if it.op.pool else total)]


def linear(it: Inputs) -> list[Floats]:
    x = _gathered(it.raw(), it.op.gather).astype(np.float64)
    weights = it.blob(0).reshape(x.shape[-1], -1).astype(np.float64)
    return [_scaled(it, it.blob(1).astype(np.float64) + x @ weights)]


def depthwise(it: Inputs) -> list[Floats]:
    x = it.value()
    height, width, channels = x.shape
    weights, padded = it.blob(0).reshape(3, 3, channels), with_border(x, 1)
    total = np.broadcast_to(it.blob(1), x.shape)
    for ky in range(3):
        for kx in range(3):
            total = total + weights[ky, kx] * padded[ky : ky + height, kx : kx + width]
    return [total]


def deconv(it: Inputs) -> list[Floats]:
    total = _deconv_source(it, 0)
    for source in (1, 2):
        if it.has(source):
            total = total + _deconv_source(it, source)
    return [total]


def tail_deconv(it: Inputs) -> list[Floats]:
    total = _transposed(it.raw(), it.blob(0), it.blob(1))
    total = total.astype(np.int64).astype(np.int32) if it.is_q8() else total
    features = relu(total.astype(F32))
    logits = np.full(features.shape[:2], it.blob(3)[0])
    for channel, weight in enumerate(it.blob(2)):
        logits = logits + features[..., channel] * weight
    return [logits]


def _scaled(it: Inputs, total: npt.NDArray[np.float64], source: int = 0) -> Floats:
    """A convolution's sum as float32: that of a q8 one is an int32 and has a multiplier."""
    if not it.is_q8(source):
        return total.astype(F32)
    sums = total.astype(np.int64).astype(np.int32).astype(F32)
    result: Floats = sums * it.blob(3 * source + 2)
    return result


def _deconv_source(it: Inputs, source: int) -> Floats:
    total = _transposed(it.raw(source), it.blob(3 * source), it.blob(3 * source + 1))
    return _scaled(it, total, source)


def _transposed(
    x: Stored, weights: npt.NDArray[Any], bias: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Transposed convolution 2x2, stride 2: every pixel makes four of its own."""
    height, width, channels = x.shape
    weights = weights.reshape(2, 2, channels, -1).astype(np.float64)
    total = np.empty((2 * height, 2 * width, weights.shape[-1]))
    for ky in range(2):
        for kx in range(2):
            total[ky::2, kx::2] = bias.astype(np.float64) + x.astype(np.float64) @ weights[ky, kx]
    return total


def _gathered(x: Stored, gather: Gather) -> Stored:
    if gather is Gather.POOL:
        return pooled(x)
    if gather is Gather.SKIP:
        return x[::2, ::2]
    if gather is Gather.PLAIN:
        return x
    axis = 0 if gather is Gather.ROWS else 1
    padded = np.pad(x, [(2, 2) if it == axis else (0, 0) for it in range(3)])
    group = -(-x.shape[-1] // 5)
    shifted = np.empty_like(x)
    for channel in range(x.shape[-1]):
        start = 2 - (channel // group - 2)  # the padding's width, less the shift
        places = np.arange(start, start + x.shape[axis])
        shifted[..., channel] = padded[..., channel].take(places, axis)
    return shifted
