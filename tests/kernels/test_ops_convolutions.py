"""conv, linear, deconv and depthwise at the sizes that break loops."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from scunext_edge.kernels import native
from scunext_edge.kernels.plan import NONE, Act, BlobType, Gather, Kind, TensorType

F32, Q8, Q16 = TensorType.F32, TensorType.Q8, TensorType.Q16
ACTS = [Act.NONE, Act.RELU, Act.GELU, Act.SIGMOID]
WEIGHTS = [BlobType.F32, BlobType.BF16]
# What a q8 operation may write; an f32 one is used in float networks only and writes f32.
OUTPUTS = [(Q8,), (F32,), (Q16,), (Q8, F32), (F32, Q16)]
ADDENDS = [None, F32, Q8]


@pytest.fixture
def addend(random):
    """Of an operation with outputs of this size, or NONE."""

    def make(bench, type, channels, down):
        return NONE if type is None else bench.source(type, channels, down, halo=1)

    return make


@pytest.mark.parametrize("kind", [Q8, F32], ids=["q8", "f32"])
def test_conv(workbench, share, size, channels, addend, random, rounding, kind):
    shapes = (
        [(1, 1, True)] + [(s, d, False) for s, d in product([1, 2], [1, 2, 3])] + [(1, 15, False)]
    )
    bench = workbench(size)
    for (stride, dilation, pool), act, type in share(product(shapes, ACTS, ADDENDS), 6):
        smaller = stride == 2 or pool
        source = bench.source(
            kind, channels(72), 5 - smaller, halo=dilation, nonnegative=random.random() < 0.5
        )
        outputs = channels(72)
        weights = BlobType(random.choice(WEIGHTS))
        kinds = OUTPUTS[random.integers(len(OUTPUTS))] if kind is Q8 else (F32,)
        bench.case(
            Kind.CONV,
            (source, addend(bench, type, outputs, 5)),
            [(it, outputs, 5) for it in kinds],
            blobs=bench.convolution_weights(source, 9, outputs, weights),
            act=act,
            stride=stride,
            dilation=dilation,
            pool=pool,
            tolerance=None if kind is Q8 else rounding(9 * bench.channels(source)),
        )
    bench.check()


@pytest.mark.parametrize("kind", [Q8, F32], ids=["q8", "f32"])
@pytest.mark.parametrize("sides", [(1, 1), (1, 2), (2, 1)], ids=str)
def test_conv_of_the_image(workbench, sides, channels, rounding, kind):
    """Its pixels have 3 channels, or 4 of which the last is 0."""
    bench = workbench(sides)
    source = bench.image_source(kind)
    for stride, pool, down in ((1, False, 0), (2, False, 1), (1, True, 1)):
        outputs = channels(40)
        bench.case(
            Kind.CONV,
            (source,),
            [(kind, outputs, down)],
            blobs=bench.convolution_weights(source, 9, outputs),
            act=Act.RELU,
            stride=stride,
            pool=pool,
            tolerance=None if kind is Q8 else rounding(27),
        )
    bench.check()


@pytest.mark.parametrize("kind", [Q8, F32], ids=["q8", "f32"])
def test_linear(workbench, share, size, channels, addend, random, rounding, kind):
    bench = workbench(size)
    for gather, act, type in share(product(Gather, ACTS, ADDENDS), 6):
        smaller = gather in (Gather.POOL, Gather.SKIP)
        halo = 2 if gather in (Gather.ROWS, Gather.COLUMNS) else int(random.integers(0, 2))
        nonnegative = random.random() < 0.5
        source = bench.source(kind, channels(), 5 - smaller, halo=halo, nonnegative=nonnegative)
        outputs = channels()
        weights = BlobType(random.choice(WEIGHTS))
        kinds = OUTPUTS[random.integers(len(OUTPUTS))] if kind is Q8 else (F32,)
        bench.case(
            Kind.LINEAR,
            (source, addend(bench, type, outputs, 5)),
            [(it, outputs, 5) for it in kinds],
            blobs=bench.convolution_weights(source, 1, outputs, weights),
            act=act,
            gather=gather,
            tolerance=None if kind is Q8 else rounding(bench.channels(source)),
        )
    bench.check()


@pytest.mark.parametrize("kind", [Q8, F32], ids=["q8", "f32"])
def test_deconv(workbench, share, size, channels, addend, random, rounding, kind):
    bench = workbench(size)
    for sources, act, type in share(product([1, 2, 3], ACTS, ADDENDS), 3):
        outputs, inputs, blobs = channels(72), [], []
        for index in range(sources):
            inputs.append(bench.source(kind, channels(72), 5, nonnegative=random.random() < 0.5))
            made = bench.convolution_weights(inputs[-1], 4, outputs)
            blobs[3 * index :] = [*made, *[NONE] * (3 - len(made))]
        reach = sum(bench.channels(it) for it in inputs)
        kinds = OUTPUTS[random.integers(len(OUTPUTS))] if kind is Q8 else (F32,)
        bench.case(
            Kind.DECONV,
            (*inputs, *[NONE] * (3 - sources), addend(bench, type, outputs, 4)),
            [(it, outputs, 4) for it in kinds],
            blobs=blobs,
            act=act,
            tolerance=None if kind is Q8 else rounding(reach + 3),
        )
    bench.check()


def test_depthwise(workbench, share, size, channels, addend):
    bench = workbench(size)
    for kind, act, type, kinds in share(product([F32, Q8], ACTS, ADDENDS, OUTPUTS), 6):
        source = bench.source(kind, channels(), halo=1)
        count = bench.channels(source)
        bench.case(
            Kind.DEPTHWISE,
            (source, addend(bench, type, count, 5)),
            [(it, count, 5) for it in kinds],
            blobs=(bench.floats(3, 3, count), bench.floats(count)),
            act=act,
        )
    bench.check()


@pytest.mark.parametrize("kind", [Q8, F32], ids=["q8", "f32"])
def test_huge_weights_crash_nothing(workbench, kind):
    """Infinities and NaNs come out, and have no meaning."""
    bench = workbench((5, 7))
    source = bench.source(kind, 24, halo=1)
    weights, bias, *multiplier = bench.convolution_weights(source, 9, 24)
    huge = bench.blob(np.full(24, 3e38)), bench.blob(np.full(9 * 24 * 24, 3e38))
    blobs = (weights, bias, huge[0]) if multiplier else (huge[1], bias)
    outputs = [(Q8 if kind is Q8 else F32, 24, 5)]
    for act in ACTS:
        bench.case(Kind.CONV, (source,), outputs, blobs=blobs, act=act, tolerance=anything)
    every = [(it, 24, 5) for it in (F32, Q8)]
    taps = bench.blob(np.full(9 * 24, 3e38)), bench.zeros(24)
    for act in ACTS:
        bench.case(Kind.DEPTHWISE, (source,), every, blobs=taps, act=act, tolerance=anything)
    facts = {"blobs": (huge[0],) * 2, "values": (1.0,), "tolerance": anything}
    bench.case(Kind.LAYERNORM, (source,), every, **facts)
    bench.check()


@pytest.mark.parametrize("worst", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(workbench, worst):
    bench = workbench((1, 1))
    source = bench.source(F32, 8, halo=1)
    blobs = bench.blob([worst] * 72), bench.zeros(8)
    bench.case(Kind.DEPTHWISE, (source,), [(F32, 8, 5)], blobs=blobs, tolerance=anything)
    with pytest.raises(native.ScxError, match=r"depthwise.*no number"):
        bench.check()


def anything(bench, op):
    return np.inf
