"""A workbench: operations under test in one plan, on made-up tensors, against the reference.

Every operation runs alone on every instruction set that can be used here. What differs between
runs of the tests comes from one seed, which a failure prints; SCUNEXT_SEED repeats it.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from scunext_edge.kernels import native, reference
from scunext_edge.kernels.plan import (
    NONE,
    TAILS,
    WHOLE,
    Act,
    BlobType,
    Gather,
    Kind,
    Op,
    Plan,
    Tensor,
    TensorType,
    make_blob,
)

F32, Q8, Q16 = TensorType.F32, TensorType.Q8, TensorType.Q16
DEEPEST = 5  # tensors of any width exist at 1/32 of an image
LIMITS = {F32: (-np.inf, np.inf), Q8: (-128, 127), Q16: (-2047, 2047)}
EPS = 2.0**-24  # half an ulp of 1 in float32
# Height and width: below, at and above vectors of 4, 8 and 16, tiles, and strips of 64 pixels.
SIZES = [
    *[(1, 1), (2, 3), (3, 2), (5, 7), (7, 5), (1, 8), (9, 1)],
    *[(8, 9), (3, 16), (2, 17), (5, 31), (31, 2), (1, 67), (2, 128)],
]
CHANNELS = [8, 16, 24, 32, 40, 64, 72, 160]


@dataclass
class Case:
    """One operation with what it must give, and how far from it a float may be."""

    op: int
    expected: list[np.ndarray]
    tolerance: np.ndarray | None


@dataclass
class Workbench:
    """``height`` and ``width`` are those of the deepest tensors."""

    random: np.random.Generator
    height: int
    width: int
    plan: Plan = field(init=False)
    stored: dict[int, np.ndarray] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    _base: dict[int, int] = field(default_factory=dict)
    _zeros: dict[tuple[int, BlobType], int] = field(default_factory=dict)

    def __post_init__(self):
        sides = {"height": 32 * self.height, "width": 32 * self.width}
        self.plan = Plan(precision="fp32", contract="{}", **sides)
        self.image = self.random.integers(0, 256, (*sides.values(), 3), dtype=np.uint8)
        image = self.tensor(F32, 3, 0, halo=1)
        self._op(Kind.NORMALIZE, outputs=(image,), blobs=(self.zeros(3), self.zeros(3)))
        self._base[-1] = image

    # Tensors

    def tensor(self, type, channels, down=DEEPEST, *, down_w=None, **facts):
        """A new tensor that nothing writes yet."""
        down_w = down if down_w is None else down_w
        self.plan.tensors.append(
            Tensor(type=type, channels=channels, down_h=down, down_w=down_w, **facts)
        )
        return len(self.plan.tensors) - 1

    def channels(self, index):
        return self.plan.tensors[index].channels

    def source(self, type, channels, down=DEEPEST, *, halo=0, nonnegative=False):
        """A tensor of random numbers. That an operation writes it first is for the loader."""
        scale = float(np.float32(self.random.uniform(0.01, 0.1))) if type is not F32 else 1.0
        facts = {"halo": halo, "nonnegative": nonnegative, "scale": scale}
        index = self.tensor(type, channels, down, **facts)
        blobs = (self.zeros(8 * channels), self.zeros(channels))
        self._op(Kind.LINEAR, inputs=(self.base(down),), outputs=(index,), blobs=blobs)
        return self.fill(index)

    def image_source(self, type):
        """The image, normalised."""
        channels = 4 if type is Q8 else 3
        scale = 0.02 if type is Q8 else 1.0
        index = self.tensor(type, channels, 0, halo=1, scale=scale)
        self._op(Kind.NORMALIZE, outputs=(index,), blobs=(self.zeros(3), self.zeros(3)))
        self.fill(index)
        if type is Q8:
            self.stored[index][..., 3] = 0
        return index

    def stats(self, channels, down=DEEPEST):
        """Sums and maxima of rows, as ``channel_stats`` gives them; and the tensor itself."""
        of = self.source(F32, channels, down)
        index = self.tensor(F32, 2 * channels, down, down_w=WHOLE)
        self._op(Kind.CHANNEL_STATS, inputs=(of,), outputs=(index,))
        return self.fill(index), of

    def gate(self, channels):
        """One number for a channel."""
        index = self.tensor(F32, channels, WHOLE)
        blobs = [self.zeros(n) for n in (channels, 1, channels, channels)]
        self._op(Kind.CHANNEL_GATE, inputs=self.stats(channels), outputs=(index,), blobs=blobs)
        return self.fill(index)

    def maps(self, halo=0):
        """Two maps of one number for a pixel."""
        both = [self.tensor(F32, 1, halo=halo) for _ in range(2)]
        self._op(Kind.SPATIAL_SUMMARY, inputs=(self.base(DEEPEST),), outputs=both)
        return [self.fill(index) for index in both]

    def fill(self, index):
        tensor = self.plan.tensors[index]
        shape = tensor.shape(self.plan.height, self.plan.width)
        low, high = LIMITS[tensor.type]
        if tensor.type is F32:
            values = self.random.normal(0, 2, shape).astype(np.float32)
        elif self.random.random() < 0.2:  # the largest sums
            values = self.random.choice([low, high], shape)
        else:
            values = self.random.integers(low, high + 1, shape)
        if tensor.nonnegative:
            values = np.minimum(abs(values), high)
        kinds = {F32: np.float32, Q8: np.int8, Q16: np.int16}
        self.stored[index] = values.astype(kinds[tensor.type])
        return index

    def base(self, down):
        """A tensor of 8 channels for sources to be made from."""
        if down not in self._base:
            self._base[down] = index = self.tensor(F32, 8, down)
            if down > 1:
                blobs = (self.zeros(64), self.zeros(8))
                inputs, how = (self.base(down - 1),), {"gather": Gather.SKIP}
                self._op(Kind.LINEAR, inputs=inputs, outputs=(index,), blobs=blobs, **how)
            else:
                blobs = (self.zeros(9 * 3 * 8), self.zeros(8))
                self._op(
                    Kind.CONV,
                    inputs=(self._base[-1],),
                    outputs=(index,),
                    blobs=blobs,
                    stride=1 + down,
                )
        return self._base[down]

    # Weights

    def blob(self, values, type=BlobType.F32):
        self.plan.blobs.append(make_blob(values, type))
        return len(self.plan.blobs) - 1

    def zeros(self, count, type=BlobType.F32):
        key = (count, type)
        if key not in self._zeros:
            self._zeros[key] = self.blob(np.zeros(count), type)
        return self._zeros[key]

    def floats(self, *shape, spread=1.0, type=BlobType.F32):
        return self.blob(self.random.normal(0, spread, shape), type)

    def convolution_weights(self, source, taps, outputs, type=BlobType.F32):
        """Weights, bias and, for a q8 source, multipliers, for sums of about 1."""
        channels = self.channels(source)
        reach = taps * channels
        shape = (taps, channels, outputs)
        if self.plan.tensors[source].type is F32:
            return self.floats(*shape, spread=reach**-0.5, type=type), self.floats(outputs)
        weights = self.random.integers(-127, 128, shape)
        if self.random.random() < 0.2:
            weights = self.random.choice([-127, 127], shape)
        size = 5500 * reach**0.5
        bias = self.random.integers(-int(size), int(size) + 1, outputs)
        multiplier = self.random.uniform(0.5, 2, outputs) / size
        return (
            self.blob(weights, BlobType.INT8),
            self.blob(bias, BlobType.INT32),
            self.blob(multiplier),
        )

    # Operations

    def case(self, kind, inputs, outputs=(), *, tolerance=None, halo=None, **facts):
        """Test an operation; ``outputs`` are (type, channels, down) or (.., down_h, down_w).

        ``tolerance(self, op)`` gives the largest difference of a float; None: equal to the bit.
        """
        made = []
        for _, channels, *down in outputs:
            border = int(self.random.integers(0, 4)) if halo is None else halo
            made.append(self.tensor(F32, channels, down[0], down_w=down[-1], halo=border))
        op = self._op(kind, inputs=tuple(inputs), outputs=tuple(made), **facts)
        real = reference.run_op(self.plan, op, self.stored, self.image)
        for index, values, (type, *_) in zip(made, real, outputs, strict=bool(outputs)):
            self._choose_scale(index, values, type)
        expected = reference.run_op(self.plan, op, self.stored, self.image)
        allowed = tolerance(self, op) if tolerance else None
        self.cases.append(Case(len(self.plan.ops) - 1, expected, allowed))
        return op

    def _op(self, kind, **facts):
        self.plan.ops.append(Op(kind=kind, **facts))
        return self.plan.ops[-1]

    def _choose_scale(self, index, values, type):
        """So that about one value in 50 does not fit."""
        if type is not F32:
            real = values[np.isfinite(values)]
            size = max(float(np.quantile(abs(real), 0.98)) if real.size else 1.0, 1e-20)
            scale = float(np.float32(size / LIMITS[type][1]))
            self.plan.tensors[index] = replace(self.plan.tensors[index], type=type, scale=scale)

    # Running

    def check(self):
        """Run every case on every instruction set."""
        if self.plan.ops[-1].kind not in TAILS:
            blobs = (self.zeros(8), self.zeros(1))
            self._op(Kind.TAIL_UPSAMPLE, inputs=(self.base(1),), blobs=blobs)
        file = self.plan.to_bytes()
        for isa in native.instruction_sets():
            threads = int(self.random.integers(1, 4))
            model = native.open_model(file, isa=isa, threads=threads, spin_us=0, profile=2)
            for index, values in self.stored.items():
                model.write_tensor(index, values)
            for case in self.cases:
                self._check_case(model, case, f"{isa}, {threads} threads")
            model.close()

    def _check_case(self, model, case, where):
        op = self.plan.ops[case.op]
        logits = model.run_operation(case.op, self.image)
        found = [logits]
        if op.kind in TAILS:
            score = model.run_operation(case.op, self.image, "score")
            assert np.array_equal(score, reference.score(logits)), f"score, {where}: {op}"
        else:
            outputs = [it for it in op.outputs if it != NONE]
            found = [
                model.read_tensor(index, it.shape)
                for index, it in zip(outputs, case.expected, strict=True)
            ]
        for got, expected in zip(found, case.expected, strict=True):
            allowed = 0.0 if case.tolerance is None else case.tolerance
            if np.isscalar(allowed) and allowed == np.inf:
                continue  # that it came back is what counts
            with np.errstate(all="ignore"):
                wrong = ~(abs(got - expected.astype(np.float64)) <= allowed)
            if wrong.any():
                first = tuple(int(it) for it in np.argwhere(wrong)[0])
                used = {it: self.plan.tensors[it] for it in (*op.inputs, *op.outputs) if it != NONE}
                shapes = {it: used[it].shape(self.plan.height, self.plan.width) for it in used}
                pytest.fail(
                    f"{where}: {wrong.sum()} of {wrong.size} differ, first at {first}: "
                    f"{got[first]!r}, not {expected[first]!r}\n{op}\n"
                    + "\n".join(f"{it}: {shapes[it]} {used[it]}" for it in used)
                )


def _rounding(reach):
    """How far a sum of ``reach`` products may be from the exact one, and what follows from it.

    Each of reach + 1 additions and of the products rounds by half an ulp of at most S, the sum
    of all absolute values; no activation is steeper than 1.13, and it and the addend round a few
    times more.
    """

    def tolerance(bench, op):
        plain = replace(op, act=Act.NONE, inputs=[it for it in op.inputs if it != op.addend])
        plan = replace(bench.plan, blobs=[*map(_absolute, bench.plan.blobs)])
        stored = {index: abs(values) for index, values in bench.stored.items()}
        (size, *_) = reference.run_op(plan, plain, stored, bench.image)
        added = 0.0 if op.addend == NONE else abs(bench.stored[op.addend]).max()
        return EPS * (1.2 * (reach + 2) * size.astype(np.float64) + 16 * (size + added + 1))

    return tolerance


def _absolute(blob):
    return make_blob(abs(blob.values), BlobType.F32 if blob.type is BlobType.BF16 else blob.type)


@pytest.fixture(scope="session")
def seed():
    return int(os.environ.get("SCUNEXT_SEED") or int.from_bytes(os.urandom(4), "little"))


@pytest.fixture
def random(seed, request):
    request.node.add_report_section("setup", "seed", f"SCUNEXT_SEED={seed} repeats this")
    return np.random.default_rng([seed, zlib.crc32(request.node.name.encode())])


@pytest.fixture
def workbench(native_library, random):
    """``workbench((height, width))``."""
    return lambda size: Workbench(random, *size)


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request):
    return request.param


@pytest.fixture
def share(seed, size):
    """``share(configurations)``: those that this size tests. Over all sizes every one occurs."""

    def pick(configurations, least=4):
        deck = list(configurations)
        deck *= -(-least * len(SIZES) // len(deck))
        order = np.random.default_rng(seed).permutation(len(deck))
        return [deck[index] for index in order[SIZES.index(size) :: len(SIZES)]]

    return pick


@pytest.fixture
def channels(random):
    """``channels()``: a number of channels."""
    return lambda most=CHANNELS[-1]: int(random.choice([it for it in CHANNELS if it <= most]))


@pytest.fixture
def rounding():
    return _rounding
