"""Whole networks put together at random: memory that tensors share, halos, threads, batches."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from scunext_edge.kernels import native, reference
from scunext_edge.kernels.plan import NONE, Act, BlobType, Gather, Kind, TensorType

F32, Q8, Q16 = TensorType.F32, TensorType.Q8, TensorType.Q16
ACTS = [Act.NONE, Act.RELU, Act.GELU, Act.SIGMOID]
STEPS = 14
DEEPEST = 5


class Grower:
    """Adds operations of an INT8 plan to a workbench; tensors keep what the reference gives."""

    def __init__(self, bench):
        self.bench = bench
        self.random = bench.random
        blobs = bench.floats(3, spread=0.02), bench.floats(3)
        image = self.add(Kind.NORMALIZE, (), 4, 0, [Q8], blobs=blobs)[0]
        self.kept = [self.conv(image, 0, {})[0]]
        self.steps = [
            *(self.step_conv, self.step_linear, self.step_depthwise, self.step_layernorm),
            *(self.step_larger, self.step_pool, self.step_attention, self.step_join),
        ]

    def grow(self):
        for _ in range(STEPS):
            step = self.steps[self.random.integers(len(self.steps))]
            self.kept += step(self.kept[self.random.integers(len(self.kept))])

    def finish(self):
        """Up to the size of the image, and a tail of a random kind."""
        x = self.kept[-1]
        while self.down(x) > 1:
            x = self.step_larger(x)[-1]
        if self.down(x) == 0:
            return self.tail(Kind.TAIL, x)
        if self.random.random() < 0.5:
            return self.tail(Kind.TAIL_DECONV, self.as_type(x, Q8))
        return self.tail(Kind.TAIL_UPSAMPLE, self.as_type(x, self.pick([F32, Q16])))

    def tail(self, kind, x):
        count, bench = self.bench.channels(x), self.bench
        if kind is Kind.TAIL_DECONV:
            weights, bias, scales = bench.convolution_weights(x, 4, 16)
            bench.case(kind, (x,), blobs=(weights, bias, scales, bench.floats(1)))
        elif bench.plan.tensors[x].type is Q16:
            weights = bench.blob(self.random.integers(-400, 401, count), BlobType.INT16)
            bench.case(kind, (x,), blobs=(weights, bench.floats(1)), values=(1e-6,))
        else:
            bench.case(kind, (x,), blobs=(bench.floats(count), bench.floats(1)))

    # Steps: what they are given is a tensor, what they return are new ones

    def step_conv(self, x):
        smaller = self.down(x) < DEEPEST and self.random.random() < 0.5
        ways = {True: [{"stride": 2}, {"pool": True}], False: [{"dilation": d} for d in (1, 2, 3)]}
        how = dict(self.pick(ways[smaller]))
        return self.conv(self.as_type(x, Q8), self.down(x) + smaller, how)

    def conv(self, x, down, how):
        count = self.count()
        inputs = (x, self.addend(count, down))
        blobs = self.bench.convolution_weights(x, 9, count)
        facts = {"blobs": blobs, "act": self.pick(ACTS), **how}
        return self.add(Kind.CONV, inputs, count, down, self.types(), **facts)

    def step_linear(self, x):
        x, count = self.as_type(x, Q8), self.count()
        gather = self.pick(list(Gather) if self.down(x) < DEEPEST else list(Gather)[:3])
        down = self.down(x) + (gather in (Gather.POOL, Gather.SKIP))
        inputs = (x, self.addend(count, down))
        blobs = self.bench.convolution_weights(x, 1, count)
        facts = {"blobs": blobs, "act": self.pick(ACTS), "gather": gather}
        return self.add(Kind.LINEAR, inputs, count, down, self.types(), **facts)

    def step_depthwise(self, x):
        count, bench = self.bench.channels(x), self.bench
        blobs = bench.floats(9, count, spread=0.3), bench.floats(count)
        inputs = (x, self.addend(count, self.down(x)))
        facts = {"blobs": blobs, "act": self.pick(ACTS)}
        return self.add(Kind.DEPTHWISE, inputs, count, self.down(x), self.types(), **facts)

    def step_layernorm(self, x):
        count = self.bench.channels(x)
        facts = {"blobs": (self.bench.floats(count), self.bench.floats(count)), "values": (1e-5,)}
        return self.add(Kind.LAYERNORM, (x,), count, self.down(x), self.types(), **facts)

    def step_larger(self, x):
        count, down = self.bench.channels(x), self.down(x) - 1
        if down < 0:
            return []
        if self.random.random() < 0.5:
            inputs = (x, self.addend(count, down))
            facts = {"mode": self.pick([0, 1, 2]), "act": self.pick(ACTS)}
            return self.add(Kind.UPSAMPLE, inputs, count, down, self.types(), **facts)
        x, count = self.as_type(x, Q8), self.count()
        inputs = (x, NONE, NONE, self.addend(count, down))
        blobs = self.bench.convolution_weights(x, 4, count)
        facts = {"blobs": blobs, "act": self.pick(ACTS)}
        return self.add(Kind.DECONV, inputs, count, down, self.types(), **facts)

    def step_pool(self, x):
        if self.down(x) == DEEPEST:
            return []
        return self.add(Kind.MAX_POOL, (x,), self.bench.channels(x), self.down(x) + 1, self.types())

    def step_attention(self, x):
        count, down, bench = self.bench.channels(x), self.down(x), self.bench
        (stats,) = self.add(Kind.CHANNEL_STATS, (x,), 2 * count, (down, 255), [F32])
        shapes = (count, 2), (2,), (2, count), (count,)
        blobs = [bench.floats(*it, spread=0.3) for it in shapes]
        (gate,) = self.add(Kind.CHANNEL_GATE, (stats, x), count, 255, [F32], blobs=blobs)
        maps = self.add(Kind.SPATIAL_SUMMARY, (x, gate), 1, down, [F32, F32])
        blobs = bench.floats(2, 49, spread=0.2), bench.floats(1)
        facts = {"blobs": blobs, "act": Act.SIGMOID}
        (spatial,) = self.add(Kind.SPATIAL_GATE, maps, 1, down, [F32], **facts)
        z, other = self.like(x), self.like(x)
        inputs = (x, gate, spatial, z, other) if NONE not in (z, other) else (x, gate, spatial)
        return self.add(Kind.CROSS, inputs, count, down, self.types())

    def step_join(self, x):
        other, count, down = self.like(x), self.bench.channels(x), self.down(x)
        if other == NONE:
            return []
        if self.random.random() < 0.5 and count < 64:
            return self.add(Kind.CONCAT, (x, other), 2 * count, down, self.types())
        mode = self.pick([0, 1])
        return self.add(Kind.ELTWISE, (x, other), count, down, self.types(), mode=mode)

    # Parts of steps

    def add(self, kind, inputs, count, down, types, **facts):
        sides = down if isinstance(down, tuple) else (down,)
        outputs = [(it, count, *sides) for it in types]
        op = self.bench.case(kind, inputs, outputs, halo=3, **facts)
        made = [it for it in op.outputs if it != NONE]
        self.bench.stored.update(zip(made, self.bench.cases[-1].expected, strict=True))
        return made

    def as_type(self, x, type):
        if self.bench.plan.tensors[x].type is type:
            return x
        count = self.bench.channels(x)
        facts = {"blobs": (self.bench.floats(count), self.bench.floats(count)), "mode": 2}
        return self.add(Kind.ELTWISE, (x,), count, self.down(x), [type], **facts)[0]

    def addend(self, count, down):
        if self.random.random() < 0.5:
            return NONE
        alike = [it for it in getattr(self, "kept", []) if self.sides(it) == (count, down)]
        return self.pick(alike) if alike else NONE

    def like(self, x):
        """Another tensor of the same size, or NONE."""
        alike = [it for it in self.kept if self.sides(it) == self.sides(x) and it != x]
        return self.pick(alike) if alike else NONE

    def sides(self, x):
        return self.bench.channels(x), self.down(x)

    def down(self, x):
        return self.bench.plan.tensors[x].down_h

    def types(self):
        return self.pick([[Q8], [Q8], [F32], [Q8, F32]])

    def count(self):
        return self.pick([8, 16, 24, 32])

    def pick(self, things):
        return things[self.random.integers(len(things))]


@pytest.mark.parametrize("number", range(12))
def test_a_random_int8_network_is_equal_to_the_bit_everywhere(workbench, random, number):
    """Batches, threads and instruction sets: what sums there are, are sums of integers."""
    bench = workbench((int(random.integers(1, 3)), int(random.integers(1, 4))))
    bench.plan.precision = "int8"
    grower = Grower(bench)
    grower.grow()
    grower.finish()
    plan = bench.plan
    images = random.integers(0, 256, (2, plan.height, plan.width, 3), dtype=np.uint8)
    expected = reference.run(plan, images)
    file = plan.to_bytes()
    for isa in native.instruction_sets():
        for threads in (1, 2, 5):
            opened = native.open_model(file, isa=isa, threads=threads, spin_us=0)
            with contextlib.closing(opened) as model:
                for _ in range(2):  # the second run meets the memory that the first one left
                    logits = model.run(images, "logits")
                    np.testing.assert_array_equal(logits, expected, f"{isa}, {threads} threads")
                score = model.run(images, "score")
                np.testing.assert_array_equal(score, reference.score(expected))
