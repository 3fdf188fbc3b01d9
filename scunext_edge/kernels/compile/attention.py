"""Rules for attention: CBAM's two gates, squeeze and excitation, and the cross skip."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from scunext_edge.kernels.compile.network import ADD, MULTIPLY, Filter, Step, StepKind
from scunext_edge.kernels.plan import WHOLE, Act

Readers = dict[Step, list[Step]]


def channel_gate(step: Step, readers: Readers) -> Step | None:
    """Sigmoid of two layers of the mean, or of the mean and of the maximum, added."""
    if step.kind != "activation" or step.act is not Act.SIGMOID or not step.is_vector:
        return None
    before = step.x
    is_sum = before.kind == "eltwise" and before.mode == ADD and before.is_plain
    branches = [_branch(source) for source in (before.sources if is_sum else [before])]
    found = {branch.reduction: branch for branch in branches if branch is not None}
    if found.keys() != ({"mean", "peak"} if is_sum else {"mean"}):
        return None
    mean = found["mean"]
    if is_sum and not mean.is_like(found["peak"]):
        return None
    x = mean.x
    stats = Step(
        kind="channel_stats",
        name=step.name,
        inputs=[x],
        channels=2 * x.channels,
        down_h=x.down_h,
        down_w=WHOLE,
    )
    return replace(
        step,
        kind="channel_gate",
        inputs=[stats, x],
        act=Act.NONE,  # the sigmoid is part of it
        mode=0 if is_sum else 1,
        arrays=[mean.squeeze.values, mean.squeeze.bias, mean.excite.values, mean.excite.bias],
    )


class _Branch(NamedTuple):
    """Of a gate: which reduction, of what, and the two layers after it."""

    reduction: StepKind
    x: Step
    squeeze: Filter
    excite: Filter

    def is_like(self, other: _Branch) -> bool:
        """Whether both go through the same layers."""
        pairs = (self.squeeze, other.squeeze), (self.excite, other.excite)
        return self.x is other.x and all(
            np.array_equal(a.values, b.values) and np.array_equal(a.bias, b.bias) for a, b in pairs
        )


def _branch(step: Step) -> _Branch | None:
    chain = [step]
    for kind in ("linear", "activation", "linear"):
        if chain[-1].kind != kind:
            return None
        chain.append(chain[-1].x)
    excite, relu, squeeze, reduction = chain
    is_plain = excite.is_plain and squeeze.is_plain
    if relu.act is not Act.RELU or not is_plain or reduction.kind not in ("mean", "peak"):
        return None
    return _Branch(reduction.kind, reduction.x, squeeze.filters[0], excite.filters[0])


def cross(step: Step, readers: Readers) -> Step | None:
    """A map times a weight per channel, times a weight per pixel."""
    if step.kind != "eltwise" or step.mode != MULTIPLY or not step.is_plain:
        return None
    x, weights = step.sources
    if weights.is_vector and not x.is_vector:
        return replace(step, kind="cross", inputs=[x, weights, None, None, None], mode=0)
    if weights.channels != 1 or x.channels == 1:
        return None
    is_gated = x.kind == "cross" and x.is_plain and x.inputs[2:] == [None] * 3
    operands = [*x.inputs[:2], weights] if is_gated else [x, None, weights]
    return replace(step, kind="cross", inputs=[*operands, None, None], mode=0)


def cross_skip(step: Step, readers: Readers) -> Step | None:
    """(S + z) * x + z."""
    if not _is_eltwise(step, ADD):
        return None
    left, right = step.sources
    for product, z in ((left, right), (right, left)):
        if not _is_eltwise(product, MULTIPLY):
            continue
        first, second = product.sources
        for total, x in ((first, second), (second, first)):
            if _is_eltwise(total, ADD) and z in total.sources:
                a, b = total.sources
                s = b if a is z else a
                is_gated = s.kind == "cross" and s.is_plain and s.inputs[3] is None
                operands = s.inputs[:3] if is_gated else [s, None, None]
                return replace(step, kind="cross", inputs=[*operands, z, x], mode=0)
    return None


def spatial_summary(step: Step, readers: Readers) -> Step | None:
    """Mean and maximum over channels in one pass, of a gated map without storing it."""
    if step.kind != "spatial_gate" or len(step.inputs) != 2:
        return None
    mean, peak = step.sources
    if (mean.kind, peak.kind) != ("channel_mean", "channel_peak") or mean.x is not peak.x:
        return None
    x = mean.x
    is_gated = x.kind == "cross" and x.is_plain and x.inputs[2:] == [None] * 3
    summary = replace(mean, kind="spatial_summary", inputs=x.inputs[:2] if is_gated else [x, None])
    return replace(step, inputs=[summary])


def _is_eltwise(step: Step, mode: int) -> bool:
    return step.kind == "eltwise" and step.mode == mode and step.is_plain
