"""Operations that are neither convolutions nor tails: equal to the bit at any size."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from scunext_edge.kernels.plan import NONE, Act, Kind, TensorType

F32, Q8, Q16 = TensorType.F32, TensorType.Q8, TensorType.Q16
KINDS = [F32, Q8]
ACTS = [Act.NONE, Act.RELU, Act.GELU, Act.SIGMOID]
OUTPUTS = [(Q8,), (F32,), (Q16,), (Q8, F32), (F32, Q16)]


@pytest.mark.parametrize("sides", [(1, 1), (1, 3), (2, 1)], ids=str)
def test_normalize(workbench, sides):
    bench = workbench(sides)
    blobs = bench.floats(3, spread=0.02), bench.floats(3)
    for outputs in ([(F32, 3, 0)], [(Q8, 4, 0)]):
        bench.case(Kind.NORMALIZE, (), outputs, blobs=blobs)
    bench.check()


def test_layernorm(workbench, share, size, channels):
    bench = workbench(size)
    for kind, outputs in share(product(KINDS, OUTPUTS), 8):
        source = bench.source(kind, channels())
        count = bench.channels(source)
        bench.case(
            Kind.LAYERNORM,
            (source,),
            [(it, count, 5) for it in outputs],
            blobs=(bench.floats(count), bench.floats(count)),
            values=(float(np.float32(1e-5)),),
        )
    bench.check()


def test_upsample(workbench, share, size, channels):
    bench = workbench(size)
    for kind, mode, act, type, outputs in share(
        product(KINDS, range(3), ACTS, [None, F32, Q8], OUTPUTS), 8
    ):
        source = bench.source(kind, channels(72), halo=1)
        count = bench.channels(source)
        addend = NONE if type is None else bench.source(type, count, 4)
        bench.case(
            Kind.UPSAMPLE,
            (source, addend),
            [(it, count, 4) for it in outputs],
            act=act,
            mode=mode,
        )
    bench.check()


def test_max_pool(workbench, share, size, channels):
    bench = workbench(size)
    for kind, act, outputs in share(product(KINDS, ACTS, OUTPUTS)):
        source = bench.source(kind, channels(72), 4)
        count = bench.channels(source)
        bench.case(Kind.MAX_POOL, (source,), [(it, count, 5) for it in outputs], act=act)
    bench.check()


def test_channel_stats(workbench, share, size, channels):
    bench = workbench(size)
    for kind in share(KINDS, 6):
        source = bench.source(kind, channels())
        count = bench.channels(source)
        outputs = [(F32, 2 * count, 5, 255)]
        bench.case(Kind.CHANNEL_STATS, (source,), outputs)
    bench.check()


def test_channel_gate(workbench, share, size, channels):
    bench = workbench(size)
    for mode, hidden in share(product([0, 1], [1, 2, 3, 8, 10]), 4):
        count = channels()
        blobs = [bench.floats(*shape, spread=0.3) for shape in _two_layers(count, hidden)]
        outputs = [(F32, count, 255)]
        bench.case(Kind.CHANNEL_GATE, bench.stats(count), outputs, blobs=blobs, mode=mode)
    bench.check()


def _two_layers(count, hidden):
    return (count, hidden), (hidden,), (hidden, count), (count,)


def test_spatial_summary(workbench, share, size, channels):
    bench = workbench(size)
    for kind, gated in share(product(KINDS, [False, True])):
        source = bench.source(kind, channels())
        count = bench.channels(source)
        inputs = (source, bench.gate(count)) if gated else (source,)
        bench.case(Kind.SPATIAL_SUMMARY, inputs, [(F32, 1, 5)] * 2)
    bench.check()


def test_spatial_gate(workbench, size):
    bench = workbench(size)
    for act in ACTS:
        blobs = bench.floats(2, 7, 7, spread=0.3), bench.floats(1)
        bench.case(Kind.SPATIAL_GATE, bench.maps(halo=3), [(F32, 1, 5)], blobs=blobs, act=act)
    bench.check()


def test_cross(workbench, share, size, channels):
    bench = workbench(size)
    flags = product(KINDS, KINDS, [False, True], [False, True], [False, True], OUTPUTS)
    for kind, other, gated, mapped, crossed, outputs in share(flags, 6):
        first = bench.source(kind, channels(72))
        count = bench.channels(first)
        gate = bench.gate(count) if gated else NONE
        spatial = bench.maps()[0] if mapped else NONE
        z = bench.source(other, count) if crossed else NONE
        x = bench.source(kind, count) if crossed else NONE
        outputs = [(it, count, 5) for it in outputs]
        bench.case(Kind.CROSS, (first, gate, spatial, z, x), outputs)
    bench.check()


def test_eltwise(workbench, share, size, channels):
    bench = workbench(size)
    for mode, kind, other, act, outputs in share(product(range(3), KINDS, KINDS, ACTS, OUTPUTS), 8):
        first = bench.source(kind, channels(72))
        count = bench.channels(first)
        inputs = (first,) if mode == 2 else (first, bench.source(other, count))
        blobs = (bench.floats(count), bench.floats(count)) if mode == 2 else ()
        outputs = [(it, count, 5) for it in outputs]
        bench.case(Kind.ELTWISE, inputs, outputs, blobs=blobs, mode=mode, act=act)
    bench.check()


def test_concat(workbench, share, size, channels, random):
    bench = workbench(size)
    for parts, outputs in share(product(range(2, 7), OUTPUTS), 4):
        kinds = [KINDS[index] for index in random.integers(0, 2, parts)]
        inputs = [bench.source(kind, channels(40)) for kind in kinds]
        count = sum(bench.channels(it) for it in inputs)
        bench.case(Kind.CONCAT, inputs, [(it, count, 5) for it in outputs])
    bench.check()
