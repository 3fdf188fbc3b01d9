"""Steps joined into the operations that the kernels know, one rule after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scunext_edge.errors import ExportError
from scunext_edge.kernels.compile.attention import channel_gate, cross, cross_skip, spatial_summary
from scunext_edge.kernels.compile.network import (
    ADD,
    AFFINE,
    BILINEAR,
    Network,
    Step,
    StepKind,
)
from scunext_edge.kernels.plan import Act, Gather

Readers = dict[Step, list[Step]]

_WITH_ACT = {
    *("conv", "linear", "depthwise", "layernorm", "upsample", "deconv", "max_pool"),
    *("spatial_gate", "cross", "eltwise"),
}
# What takes an addend; where both operands of a sum could, the first here does
_WITH_ADDEND: tuple[StepKind, ...] = ("deconv", "conv", "depthwise", "upsample", "linear")
_MOST_SOURCES = 3  # of a deconv


def join(network: Network) -> None:
    """Bring ``network`` into the plan's operations; what fits none is ``ExportError``."""
    # Gates are told by their sigmoid, which the rule for activations would hide
    for rule in (normalization, bias, channel_gate, cross, cross_skip, spatial_summary):
        network.rewrite(rule)
    for rule in (activation, pooled_convolution, gather):
        network.rewrite(rule)
    network.replace(network.output, tail(network.output, network.readers()))
    for rule in (addend, summed_deconvs, lone_activation):
        network.rewrite(rule)
    for step in network.steps():
        if step.kind in _UNJOINED:
            raise ExportError(
                f"the native engine cannot take {step.name} where it stands: {_UNJOINED[step.kind]}"
            )


_UNJOINED: dict[StepKind, str] = {
    "image": "the image goes through a normalisation first",
    "shift": "a token shift is followed by a product with a matrix",
    "mean": "a mean over the image belongs to a channel gate (CBAM, squeeze and excitation)",
    "peak": "a maximum over the image belongs to the channel gate of a CBAM",
    "channel_mean": "a mean over channels belongs to the spatial gate of a CBAM",
    "channel_peak": "a maximum over channels belongs to the spatial gate of a CBAM",
}


def normalization(step: Step, readers: Readers) -> Step | None:
    """Scale and offset of the image."""
    if step.kind != "eltwise" or step.mode != AFFINE or not step.is_plain:
        return None
    before = step.x
    if before.kind == "image":
        return replace(step, kind="normalize", inputs=[], mode=0)
    if before.kind != "normalize" or len(readers[before]) > 1:
        return None
    scale, offset = before.arrays
    arrays = [scale * step.arrays[0], offset * step.arrays[0] + step.arrays[1]]
    return replace(before, arrays=arrays)


def bias(step: Step, readers: Readers) -> Step | None:
    """An offset added to a product or a convolution."""
    if step.kind != "eltwise" or step.mode != AFFINE or not step.is_plain:
        return None
    before = step.x
    if before.kind not in ("conv", "linear", "deconv") or len(readers[before]) > 1:
        return None
    if (step.arrays[0] != 1).any() or not before.is_plain:
        return None
    old = before.filters[0]
    return replace(before, filters=[replace(old, bias=old.bias + step.arrays[1])])


def activation(step: Step, readers: Readers) -> Step | None:
    """ReLU, GELU or sigmoid of what nothing else reads."""
    if step.kind != "activation":
        return None
    before = step.x
    if before.kind not in _WITH_ACT or not before.is_plain or len(readers[before]) > 1:
        return None
    return replace(before, act=step.act)


def lone_activation(step: Step, readers: Readers) -> Step | None:
    """One that could not be joined: times 1, plus 0."""
    if step.kind != "activation":
        return None
    one, zero = np.ones(step.channels, np.float32), np.zeros(step.channels, np.float32)
    return replace(step, kind="eltwise", mode=AFFINE, arrays=[one, zero])


def pooled_convolution(step: Step, readers: Readers) -> Step | None:
    """Maximum over 2x2 of a convolution; ReLU commutes with it."""
    if step.kind != "max_pool" or step.addend is not None:
        return None
    before = step.x
    if before.kind != "conv" or len(readers[before]) > 1 or before.addend is not None:
        return None
    acts = {before.act, step.act}
    if (
        before.stride != 1
        or before.dilation != 1
        or before.pool
        or not acts <= {Act.NONE, Act.RELU}
    ):
        return None
    act = Act.RELU if Act.RELU in acts else Act.NONE
    return replace(before, pool=True, act=act, down_h=step.down_h, down_w=step.down_w)


def gather(step: Step, readers: Readers) -> Step | None:
    """A product that reads shifted or pooled pixels where they are."""
    if step.kind != "linear" or step.gather is not Gather.PLAIN:
        return None
    before = step.x
    if before.kind == "shift":
        return replace(step, inputs=[before.x], gather=before.gather)
    if before.kind == "max_pool" and before.is_plain:
        return replace(step, inputs=[before.x], gather=Gather.POOL)
    return None


def tail(step: Step, readers: Readers) -> Step:
    """The last 1x1 convolution, with what comes before it if that need not be stored."""
    is_last = step.kind == "linear" and step.gather is Gather.PLAIN and step.is_plain
    if not is_last or step.channels != 1 or (step.down_h, step.down_w) != (0, 0):
        raise ExportError(
            f"the native engine cannot take {step.name} as the network's end: "
            "that is a 1x1 convolution to one logit per pixel of the image"
        )
    before = step.x
    is_alone = len(readers[before]) == 1 and before.act is Act.RELU and before.addend is None
    if is_alone and before.kind == "upsample" and before.mode == BILINEAR:
        return replace(step, kind="tail_upsample", inputs=[before.x])
    if is_alone and before.kind == "deconv":
        filters = [*before.filters, *step.filters]
        return replace(step, kind="tail_deconv", inputs=[before.x], filters=filters)
    return replace(step, kind="tail")


def addend(step: Step, readers: Readers) -> Step | None:
    """A sum, taken by the operation that makes one of its operands."""
    if step.kind != "eltwise" or step.mode != ADD or not step.is_plain:
        return None
    left, right = step.sources
    takers = [
        (_WITH_ADDEND.index(maker.kind), maker, other)
        for maker, other in ((right, left), (left, right))
        if maker.kind in _WITH_ADDEND and maker.addend is None and len(readers[maker]) == 1
    ]
    if not takers:
        return None
    _, maker, other = min(takers, key=lambda taker: taker[0])
    return replace(maker, addend=other)


def summed_deconvs(step: Step, readers: Readers) -> Step | None:
    """Transposed convolutions that are added up, as one operation."""
    before = step.addend
    if step.kind != "deconv" or before is None or before.kind != "deconv":
        return None
    inputs, filters = [*before.inputs, *step.inputs], [*before.filters, *step.filters]
    are_linear = step.act is before.act is Act.NONE
    if not are_linear or len(readers[before]) > 1 or len(inputs) > _MOST_SOURCES:
        return None
    return replace(step, inputs=inputs, filters=filters, addend=before.addend)
