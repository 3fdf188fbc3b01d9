"""The last operation: logits, and the score that follows from them."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.kernels.plan import BlobType, Kind, TensorType

F32, Q8, Q16 = TensorType.F32, TensorType.Q8, TensorType.Q16
CHANNELS = [8, 16, 24, 32, 40]
SIDES = [(1, 1), (1, 2), (2, 1)]


@pytest.fixture(params=SIDES, ids=str)
def bench(request, workbench):
    return workbench(request.param)


@pytest.mark.parametrize("count", CHANNELS)
@pytest.mark.parametrize("kind", [Q8, F32], ids=["q8", "f32"])
def test_tail(bench, rounding, kind, count):
    source = bench.source(kind, count, 0)
    blobs = bench.floats(count), bench.floats(1)
    allowed = None if kind is Q8 else rounding(count)
    bench.case(Kind.TAIL, (source,), blobs=blobs, tolerance=allowed)
    bench.check()


@pytest.mark.parametrize("count", CHANNELS)
@pytest.mark.parametrize("kind", [Q16, F32], ids=["q16", "f32"])
def test_tail_upsample(bench, random, rounding, kind, count):
    source = bench.source(kind, count, 1, halo=1)
    if kind is F32:
        blobs = bench.floats(count), bench.floats(1)
        # 3 roundings more for each of the two interpolations
        bench.case(Kind.TAIL_UPSAMPLE, (source,), blobs=blobs, tolerance=rounding(count + 6))
    else:
        most = 2**31 // (16 * 2047 * count) - 1
        weights = random.integers(-most, most + 1, count).clip(-(2**15) + 1, 2**15 - 1)
        blobs = bench.blob(weights, BlobType.INT16), bench.floats(1)
        step = float(np.float32(10 / (most * 2047 * count**0.5)))
        bench.case(Kind.TAIL_UPSAMPLE, (source,), blobs=blobs, values=(step,))
    bench.check()


@pytest.mark.parametrize("count", CHANNELS)
@pytest.mark.parametrize("kind", [Q8, F32], ids=["q8", "f32"])
@pytest.mark.parametrize("outputs", [8, 16, 24])
def test_tail_deconv(bench, rounding, kind, count, outputs):
    source = bench.source(kind, count, 1)
    weights, bias, *multiplier = bench.convolution_weights(source, 4, outputs)
    blobs = (weights, bias, *(multiplier or [bench.floats(outputs)]), bench.floats(1))
    allowed = None if kind is Q8 else rounding(count + outputs + 2)
    bench.case(Kind.TAIL_DECONV, (source,), blobs=blobs, tolerance=allowed)
    bench.check()
