"""The blobs of every operation: its weights, spread over padded channels, in stored types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scunext_edge.kernels.compile.channels import Lanes
from scunext_edge.kernels.compile.graph import Array
from scunext_edge.kernels.compile.network import AFFINE, Filter, Step
from scunext_edge.kernels.compile.storage import Form
from scunext_edge.kernels.plan import Blob, BlobType, TensorType, make_blob

_MOST_BIAS = 1 << 30  # with the largest sum of products it stays within int32
_Q16_SUM = 60_000  # of weights: times 16 * 2047 it stays within int32
_BIAS_ALONE = 1 << 20  # the bias of a channel whose weights are all zero, in steps


def f32(values: npt.ArrayLike) -> Blob:
    """As float32."""
    return make_blob(values, BlobType.F32)


def of_filter(
    weights: Filter, form: Form, before: Lanes, after: Lanes, *, floats: BlobType
) -> list[Blob]:
    """w, bias, multiplier of a source stored as ``form``; without one where it is f32."""
    if form.type is not TensorType.Q8 or weights.quantized is None:
        spread = after.spread(before.spread(weights.values, -2))
        return [make_blob(spread, floats), f32(after.spread(weights.bias))]
    multiplier = multiplier_of(weights, form)
    spread = after.spread(before.spread(np.maximum(weights.quantized, -127), -2))
    return [
        make_blob(spread, BlobType.INT8),
        make_blob(after.spread(integer_bias(weights, multiplier)), BlobType.INT32),
        f32(after.spread(multiplier)),
    ]


def multiplier_of(weights: Filter, form: Form) -> Array:
    """What one step of the integer sum is worth, by output channel."""
    assert weights.scale is not None
    multiplier = np.float32(form.scale) * weights.scale
    # A channel without weights has no scale to speak of, but a bias
    alone = np.abs(weights.bias) / np.float32(_BIAS_ALONE)
    is_sound = multiplier > np.finfo(np.float32).tiny
    return np.where(is_sound, multiplier, np.maximum(alone, np.float32(1e-30)))  # type: ignore[no-any-return]


def integer_bias(weights: Filter, multiplier: Array) -> Array:
    """The bias in steps of ``multiplier``."""
    steps = np.rint(weights.bias.astype(np.float64) / multiplier.astype(np.float64))
    return np.clip(steps, -_MOST_BIAS, _MOST_BIAS).astype(np.int32)


def of_arrays(step: Step, before: Sequence[Lanes]) -> list[Blob]:
    """Of operations without a filter; ``before``: the lanes of what they read."""
    if step.kind in ("depthwise", "layernorm") or (step.kind, step.mode) == ("eltwise", AFFINE):
        return [f32(before[0].spread(values)) for values in step.arrays]
    if step.kind == "channel_gate":
        w1, b1, w2, b2 = step.arrays
        lanes = before[1]
        return [f32(lanes.spread(w1, 0)), f32(b1), f32(lanes.spread(w2)), f32(lanes.spread(b2))]
    return [f32(values) for values in step.arrays]


def of_tail(step: Step, form: Form, before: Lanes) -> tuple[list[Blob], tuple[float, ...]]:
    """Blobs and values of ``tail`` and ``tail_upsample``."""
    last = step.filters[-1]
    weights = before.spread(last.values[:, 0], 0)
    if form.type is not TensorType.Q16:
        return [f32(weights), f32(last.bias)], ()
    largest = max(np.abs(weights).sum() / _Q16_SUM, np.abs(weights).max() / 32767)
    scale = np.float32(largest if largest > 0 else 1)
    stored = np.rint(weights / scale)
    multiplier = np.float32(form.scale) * scale / np.float32(16)
    return [make_blob(stored, BlobType.INT16), f32(last.bias)], (float(multiplier),)


def of_tail_deconv(step: Step, form: Form, before: Lanes, after: Lanes) -> list[Blob]:
    """w, bias, k, bias2: the multiplier of integer sums is in k already."""
    first, last = step.filters
    k = last.values[:, 0]
    if form.type is TensorType.Q8:
        k = k * multiplier_of(first, form)
    blobs = of_filter(first, form, before, after, floats=BlobType.F32)
    return [*blobs[:2], f32(after.spread(k)), f32(last.bias)]
