"""Conv, ConvTranspose, MatMul and Gemm as steps, their weights laid out as the plan has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scunext_edge.kernels.compile.graph import Array, Constant, Graph, Node, refuse
from scunext_edge.kernels.compile.network import Filter, Step, StepKind
from scunext_edge.kernels.plan import Gather


def conv(graph: Graph, node: Node, x: Step) -> Step:
    """3x3; 1x1; depthwise 3x3; and the 7x7 of a spatial gate."""
    weights = _weights(graph, node)
    out, per_group, *kernel = weights.values.shape
    groups = int(node.attributes.get("group", 1))
    stride, dilation, pad = _geometry(node)
    if groups == out == x.channels > 1 and (kernel, stride, dilation, pad) == ([3, 3], 1, 1, 1):
        return _depthwise(graph, node, x, weights)
    if groups != 1 or per_group != x.channels:
        refuse(node, "groups are 1, or as many as channels with a 3x3 kernel of stride 1")
    # [OC, IC, kh, kw] to [kh, kw, IC, OC]
    found = _filter(graph, node, weights, lambda values: values.transpose(2, 3, 1, 0))
    if kernel == [7, 7] and (x.channels, out, stride, dilation, pad) == (2, 1, 1, 1, 3):
        return _spatial_gate(node, x, found)
    if kernel == [1, 1] and pad == 0 and (stride == 1 or not x.is_vector):
        squeezed = _filter(graph, node, weights, lambda values: values[:, :, 0, 0].T)
        step = _step("linear", node, x, squeezed, stride - 1)
        step.gather = Gather.PLAIN if stride == 1 else Gather.SKIP
        return step
    if kernel != [3, 3] or pad != dilation or x.is_vector:
        refuse(
            node,
            "kernels are 1x1, or 3x3 padded by their dilation, of stride 1 or 2; "
            "7x7 only from 2 channels to 1",
        )
    step = _step("conv", node, x, found, stride - 1)
    step.stride, step.dilation = stride, dilation
    return step


def conv_transpose(graph: Graph, node: Node, x: Step) -> Step:
    """2x2 of stride 2."""
    weights = _weights(graph, node)
    given = node.attributes
    if (
        list(weights.values.shape[2:]) != [2, 2]
        or given.get("strides") != [2, 2]
        or any(given.get("pads", [])) + any(given.get("output_padding", []))
        or given.get("dilations", [1, 1]) != [1, 1]
        or given.get("group", 1) != 1
        or given.get("auto_pad", "NOTSET") != "NOTSET"
        or "output_shape" in given
    ):
        refuse(node, "transposed convolutions are 2x2 of stride 2, without padding and groups")
    # [IC, OC, 2, 2] to [2, 2, IC, OC]
    found = _filter(graph, node, weights, lambda values: values.transpose(2, 3, 0, 1))
    return _step("deconv", node, x, found, -1)


def matmul(graph: Graph, node: Node, x: Step) -> Step:
    """By a constant matrix, on tokens."""
    weights = _weights(graph, node)
    if weights.values.ndim != 2 or weights.values.shape[0] != x.channels:
        refuse(node, "a map of tokens is multiplied by one constant matrix")
    return _step("linear", node, x, _filter(graph, node, weights, lambda values: values), 0)


def gemm(graph: Graph, node: Node, x: Step) -> Step:
    """A fully connected layer."""
    weights = _weights(graph, node)
    given = node.attributes
    if given.get("alpha", 1) != 1 or given.get("beta", 1) != 1 or given.get("transA", 0):
        refuse(node, "it is x * W + b, without factors")
    is_turned = bool(given.get("transB", 0))
    found = _filter(graph, node, weights, lambda values: values.T if is_turned else values)
    return _step("linear", node, x, found, 0)


def _step(kind: StepKind, node: Node, x: Step, weights: Filter, halved: int) -> Step:
    is_vector = x.is_vector
    return Step(
        kind=kind,
        name=node.name,
        inputs=[x],
        channels=weights.values.shape[-1],
        down_h=x.down_h + (0 if is_vector else halved),
        down_w=x.down_w + (0 if is_vector else halved),
        filters=[weights],
    )


def _depthwise(graph: Graph, node: Node, x: Step, weights: Constant) -> Step:
    """Runs in float: its weights are few, and its input need not be quantized."""
    values = weights.values[:, 0].transpose(1, 2, 0).astype(np.float32)
    step = _step("depthwise", node, x, Filter(values=values, bias=values[0, 0]), 0)
    step.filters = []
    step.arrays = [values, _bias(graph, node, x.channels)]
    return step


def _spatial_gate(node: Node, x: Step, weights: Filter) -> Step:
    if x.kind != "concat" or {part.kind for part in x.inputs if part} != {
        "channel_mean",
        "channel_peak",
    }:
        refuse(node, "a 7x7 convolution reads the mean and the maximum over channels")
    assert x.inputs[1] is not None
    is_mean_first = x.x.kind == "channel_mean"
    taps = weights.values[..., 0].transpose(2, 0, 1)
    step = _step("spatial_gate", node, x, weights, 0)
    step.inputs = [x.x, x.inputs[1]] if is_mean_first else [x.inputs[1], x.x]
    step.filters = []
    step.arrays = [taps if is_mean_first else taps[::-1], weights.bias]
    return step


def _geometry(node: Node) -> tuple[int, int, int]:
    """Stride, dilation, padding: one number each."""
    given = node.attributes
    strides, dilations = given.get("strides", [1, 1]), given.get("dilations", [1, 1])
    pads = given.get("pads", [0] * 4)
    if (
        given.get("auto_pad", "NOTSET") != "NOTSET"
        or len({*strides}) + len({*dilations}) + len({*pads}) != 3
        or strides[0] not in (1, 2)
        or len(strides) != 2
    ):
        refuse(node, "stride (1 or 2), dilation and padding are the same on all sides")
    return int(strides[0]), int(dilations[0]), int(pads[0])


def _weights(graph: Graph, node: Node) -> Constant:
    weights = graph.constants.get(node.inputs[1])
    if weights is None:
        refuse(node, "its weights must be constant")
    if weights.values.dtype != np.float32:
        refuse(node, f"weights are float32 or quantized to int8, not {weights.values.dtype}")
    return weights


def _bias(graph: Graph, node: Node, channels: int) -> Array:
    if len(node.inputs) < 3 or not node.inputs[2]:
        return np.zeros(channels, np.float32)
    bias = graph.constants.get(node.inputs[2])
    if bias is None or bias.values.size not in (1, channels):
        refuse(node, "its bias must be constant, one number per channel")
    return np.broadcast_to(bias.values.reshape(-1), channels).astype(np.float32)


def _filter(
    graph: Graph, node: Node, weights: Constant, arrange: Callable[[Array], Array]
) -> Filter:
    """``arrange`` brings the weights into [..., IC, OC]."""
    values = np.ascontiguousarray(arrange(weights.values))
    channels = values.shape[-1]
    found = Filter(values=values, bias=_bias(graph, node, channels))
    if weights.quantized is None or weights.scale is None:
        return found
    if weights.scale.size > 1 and not _is_by_output(weights, arrange):
        return found  # scales by input channel: only float arithmetic can use them
    return replace(
        found,
        quantized=np.ascontiguousarray(arrange(weights.quantized)),
        scale=np.broadcast_to(weights.scale, channels).astype(np.float32),
        input_scale=node.scales.get(0),
    )


def _is_by_output(weights: Constant, arrange: Callable[[Array], Array]) -> bool:
    """Whether the axis of the scales is the one that ``arrange`` puts last."""
    shape = weights.values.shape
    along = [-1 if axis == weights.axis else 1 for axis in range(len(shape))]
    marks = np.broadcast_to(np.arange(shape[weights.axis]).reshape(along), shape)
    moved = arrange(marks)
    return bool((moved == moved.reshape(-1)[: moved.shape[-1]]).all()) and (
        moved.shape[-1] == shape[weights.axis]
    )
