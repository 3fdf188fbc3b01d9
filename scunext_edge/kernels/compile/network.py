"""A network as steps on NHWC tensors: what the compiler works on between ONNX and plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from scunext_edge.kernels.plan import WHOLE, Act, Gather

Floats = npt.NDArray[np.float32]

# The plan's operations in small letters, and what patterns make of them
StepKind = Literal[
    "normalize",
    "conv",
    "linear",
    "depthwise",
    "layernorm",
    "upsample",
    "deconv",
    "max_pool",
    "channel_stats",
    "channel_gate",
    "spatial_summary",
    "spatial_gate",
    "cross",
    "eltwise",
    "concat",
    "tail",
    "tail_upsample",
    "tail_deconv",
    "image",
    "activation",
    "shift",
    "mean",
    "peak",
    "channel_mean",
    "channel_peak",
]
ADD, MULTIPLY, AFFINE = 0, 1, 2  # modes of eltwise
BILINEAR, ALIGNED, NEAREST = 0, 1, 2  # modes of upsample


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Weights [..., IC, OC] and a bias of a convolution; int8 as well where they were quantized."""

    values: Floats
    bias: Floats
    quantized: npt.NDArray[np.int8] | None = None
    scale: Floats | None = None  # [OC]
    input_scale: float | None = None  # of the Q/DQ pair on the input

    @property
    def is_int8(self) -> bool:
        """Whether input and weights were quantized, one scale for each output channel."""
        return self.quantized is not None and self.input_scale is not None


@dataclass(eq=False, slots=True, kw_only=True)
class Step:
    """One operation and the tensor that it makes.

    ``inputs`` hold the operands alone (x; or c, gate, map, z, x of a ``cross``), the addend
    stands apart. ``filters`` belong to the inputs one by one.
    """

    kind: StepKind
    name: str  # of the ONNX node, for messages
    inputs: list[Step | None]
    channels: int
    down_h: int
    down_w: int
    addend: Step | None = None
    filters: list[Filter] = field(default_factory=list)
    arrays: list[Floats] = field(default_factory=list)  # other weights, as the plan lists them
    value: float = 0.0
    act: Act = Act.NONE
    stride: int = 1
    dilation: int = 1
    pool: bool = False
    gather: Gather = Gather.PLAIN
    mode: int = 0

    @property
    def x(self) -> Step:
        """The first input."""
        first = self.inputs[0]
        assert first is not None
        return first

    @property
    def sources(self) -> list[Step]:
        """All that it reads, the addend too."""
        return [step for step in (*self.inputs, self.addend) if step is not None]

    @property
    def is_vector(self) -> bool:
        """One value per channel for the whole image."""
        return self.down_h == self.down_w == WHOLE

    @property
    def is_plain(self) -> bool:
        """Nothing follows ``f``."""
        return self.act is Act.NONE and self.addend is None

    def same_sides(self, other: Step) -> bool:
        """Whether both are of one size."""
        return (self.down_h, self.down_w) == (other.down_h, other.down_w)


def ordered(output: Step) -> list[Step]:
    """All steps that ``output`` needs, each after what it reads.

    The deepest input comes first, so that short side branches run just before their use.
    """
    depth = _depths(output)
    found: dict[Step, None] = {}
    ahead: list[tuple[Step, bool]] = [(output, False)]
    while ahead:
        step, is_ready = ahead.pop()
        if step in found:
            continue
        if is_ready:
            found[step] = None
            continue
        ahead.append((step, True))
        ahead += [(source, False) for source in sorted(step.sources, key=lambda s: depth[s])]
    return list(found)


def _depths(output: Step) -> dict[Step, int]:
    depth: dict[Step, int] = {}
    ahead = [output]
    while ahead:
        step = ahead[-1]
        missing = [source for source in step.sources if source not in depth]
        if missing:
            ahead += missing
            continue
        depth[ahead.pop()] = 1 + max((depth[source] for source in step.sources), default=0)
    return depth


@dataclass(slots=True)
class Network:
    """The steps that lead to ``output``."""

    output: Step

    def steps(self) -> list[Step]:
        """In the order in which they run."""
        return ordered(self.output)

    def readers(self) -> dict[Step, list[Step]]:
        """Step -> the steps that read it, once for every input or addend that does."""
        found: dict[Step, list[Step]] = defaultdict(list)
        for step in self.steps():
            for source in step.sources:
                found[source].append(step)
        return found

    def replace(self, old: Step, new: Step) -> None:
        """Let all that read ``old`` read ``new``."""
        for step in self.steps():
            if step is not new:
                step.inputs = [new if source is old else source for source in step.inputs]
                step.addend = new if step.addend is old else step.addend
        if self.output is old:
            self.output = new

    def rewrite(self, rule: Rule) -> None:
        """Apply ``rule`` until it finds nothing more."""
        while any(self._rewritten(rule)):
            pass

    def _rewritten(self, rule: Rule) -> Iterator[bool]:
        readers = self.readers()
        for step in self.steps():
            new = rule(step, readers)
            if new is not None:
                self.replace(step, new)
                yield True


Rule = Callable[[Step, dict[Step, list[Step]]], "Step | None"]
