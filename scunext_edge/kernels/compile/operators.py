"""ONNX operators as steps: layouts vanish, every tensor is NHWC."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scunext_edge.errors import ExportError
from scunext_edge.kernels.compile import shifts
from scunext_edge.kernels.compile.convolutions import conv, conv_transpose, gemm, matmul
from scunext_edge.kernels.compile.graph import Array, Graph, Node, refuse
from scunext_edge.kernels.compile.network import (
    ADD,
    AFFINE,
    ALIGNED,
    BILINEAR,
    MULTIPLY,
    NEAREST,
    Network,
    Step,
)
from scunext_edge.kernels.compile.reader import Reader, Seen, Value, like
from scunext_edge.kernels.compile.shifts import Window
from scunext_edge.kernels.plan import WHOLE, Act


def read_network(graph: Graph) -> Network:
    """All nodes that the output needs, as steps."""
    reader = Reader(graph)
    for node in graph.nodes:
        convert = OPERATORS.get(node.op)
        if convert is None:
            refuse(node, f"it takes {', '.join(sorted(OPERATORS))}")
        reader.values[node.output] = convert(reader, node)
    output = reader.values.get(graph.output)
    if not isinstance(output, Seen) or output.axes != "NCHW" or output.step.channels != 1:
        raise ExportError("the native engine takes networks whose output is [N, 1, H, W]")
    return Network(output.step)


def _same(reader: Reader, node: Node) -> Seen:
    """Cast: the image's numbers are the same as floats."""
    return reader.seen(node)


def _transpose(reader: Reader, node: Node) -> Seen:
    seen = reader.seen(node)
    order = node.attributes.get("perm", range(len(seen.axes))[::-1])
    return Seen(seen.step, "".join(seen.axes[axis] for axis in order))


def _reshape(reader: Reader, node: Node) -> Seen:
    """Reshape, Squeeze, Unsqueeze, Flatten: of one value per channel, so nothing moves."""
    seen = reader.seen(node)
    if not seen.step.is_vector or not {"NC", "NCHW"} >= {seen.axes}:
        refuse(node, "only what has one value per channel is reshaped")
    if node.op == "Unsqueeze":
        rank = len(seen.axes) + reader.fixed(node, 1).size
    elif node.op == "Squeeze":
        rank = len(seen.axes) - reader.fixed(node, 1).size
    else:
        rank = 2 if node.op == "Flatten" else reader.fixed(node, 1).size
    if rank not in (2, 4):
        refuse(node, "it gives [N, C] or [N, C, 1, 1]")
    return Seen(seen.step, "NC" if rank == 2 else "NCHW")


def _activation(act: Act) -> Convert:
    def convert(reader: Reader, node: Node) -> Seen:
        seen = reader.seen(node)
        if node.attributes.get("approximate", "none") != "none":
            refuse(node, "Gelu is exact")
        step = like("activation", node, seen.step)
        step.act = act
        return Seen(step, seen.axes)

    return convert


def _binary(reader: Reader, node: Node) -> Seen:
    """Add and Mul: of two maps, or of a map and one constant per channel."""
    for index in (0, 1):
        constant = reader.constant(node, index)
        if constant is not None:
            return _with_constant(reader.seen(node, 1 - index), node, constant)
    left, right = reader.seen(node, 0), reader.seen(node, 1)
    if left.axes != right.axes:
        refuse(node, "both sides have the same layout")
    a, b = left.step, right.step
    if node.op == "Mul" and _is_broadcast(a, b):
        a, b = b, a
    is_alike = a.same_sides(b) and a.channels == b.channels
    if not is_alike and not (node.op == "Mul" and _is_broadcast(b, a)):
        refuse(node, "both sides have one size, or one is a weight per channel or per pixel")
    return Seen(like("eltwise", node, a, b, mode=ADD if node.op == "Add" else MULTIPLY), left.axes)


def _is_broadcast(small: Step, large: Step) -> bool:
    """Whether ``small`` is one weight per channel, or per pixel, of ``large``."""
    per_channel = small.is_vector and not large.is_vector and small.channels == large.channels
    per_pixel = small.channels == 1 < large.channels and small.same_sides(large)
    return per_channel or per_pixel


def _with_constant(seen: Seen, node: Node, constant: Array) -> Seen:
    channels = seen.step.channels
    aligned = constant.reshape((1,) * (len(seen.axes) - constant.ndim) + constant.shape)
    along = seen.axes.index("C")
    if aligned.size not in (1, channels) or aligned.shape[along] != aligned.size:
        refuse(node, "constants are one number, or one per channel")
    values = np.broadcast_to(aligned.reshape(-1), channels).astype(np.float32)
    step = like("eltwise", node, seen.step, mode=AFFINE)
    one, zero = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    step.arrays = [one, values] if node.op == "Add" else [values, zero]
    return Seen(step, seen.axes)


def _batch_norm(reader: Reader, node: Node) -> Seen:
    seen = reader.seen(node)
    scale, offset, mean, var = (
        reader.fixed(node, index).astype(np.float64) for index in range(1, 5)
    )
    factor = scale / np.sqrt(var + node.attributes.get("epsilon", 1e-5))
    step = like("eltwise", node, seen.step, mode=AFFINE)
    shifted = offset - mean * factor
    step.arrays = [factor.astype(np.float32), shifted.astype(np.float32)]
    return Seen(step, seen.axes)


def _layer_norm(reader: Reader, node: Node) -> Seen:
    seen = reader.seen(node)
    if seen.axes[-1] != "C" or node.attributes.get("axis", -1) not in (-1, len(seen.axes) - 1):
        refuse(node, "it is taken over the channels, which come last")
    step = like("layernorm", node, seen.step)
    gamma = reader.fixed(node, 1)
    beta = reader.constant(node, 2)
    step.arrays = [gamma, np.zeros_like(gamma) if beta is None else beta]
    step.value = float(node.attributes.get("epsilon", 1e-5))
    return Seen(step, seen.axes)


def _max_pool(reader: Reader, node: Node) -> Seen:
    seen = reader.seen(node)
    wanted = {"kernel_shape": [2, 2], "strides": [2, 2]}
    fixed = {"pads": [0] * 4, "dilations": [1, 1], "ceil_mode": 0, "auto_pad": "NOTSET"}
    given = node.attributes
    if (
        any(given.get(key) != value for key, value in wanted.items())
        or any(given.get(key, value) != value for key, value in fixed.items())
        or seen.axes != "NCHW"
    ):
        refuse(node, "pooling is 2x2, stride 2, without padding")
    step = like("max_pool", node, seen.step)
    step.down_h, step.down_w = step.down_h + 1, step.down_w + 1
    return Seen(step, seen.axes)


_RESIZES = {
    ("linear", "half_pixel"): BILINEAR,
    ("linear", "pytorch_half_pixel"): BILINEAR,
    ("linear", "align_corners"): ALIGNED,
    ("nearest", "asymmetric"): NEAREST,
}


def _resize(reader: Reader, node: Node) -> Seen:
    seen = reader.seen(node)
    given = node.attributes
    mode = _RESIZES.get(
        (given.get("mode", "nearest"), given.get("coordinate_transformation_mode", "half_pixel"))
    )
    scales = reader.constant(node, 2)
    if (
        mode is None
        or (mode == NEAREST and given.get("nearest_mode") != "floor")
        or given.get("antialias")
        or scales is None
        or scales.tolist() != [1, 1, 2, 2]
        or seen.axes != "NCHW"
    ):
        refuse(node, "it resizes to twice the size, bilinear or nearest, by constant scales")
    step = like("upsample", node, seen.step, mode=mode)
    step.down_h, step.down_w = step.down_h - 1, step.down_w - 1
    return Seen(step, seen.axes)


def _reduce(reader: Reader, node: Node) -> Seen:
    """ReduceMean, ReduceMax, GlobalAveragePool, GlobalMaxPool: over the image or the channels."""
    seen = reader.seen(node)
    is_mean = node.op in ("ReduceMean", "GlobalAveragePool")
    kept = node.op.startswith("Global") or node.attributes.get("keepdims", 1)
    if node.op.startswith("Global"):
        over = set(seen.axes) - set("NC")
    else:
        over = {seen.axes[int(axis)] for axis in reader.fixed(node, 1)}
    if over == set("HW"):
        step = like("mean" if is_mean else "peak", node, seen.step)
        step.down_h = step.down_w = WHOLE
        return Seen(step, seen.axes if kept else "NC")
    if over == {"C"} and kept:
        step = like("channel_mean" if is_mean else "channel_peak", node, seen.step)
        step.channels = 1
        return Seen(step, seen.axes)
    refuse(node, "it reduces height and width, or keeps them and reduces the channels")


def _concat(reader: Reader, node: Node) -> Seen:
    values = [reader.values.get(name) for name in node.inputs]
    windows = [value for value in values if isinstance(value, Window)]
    if windows and len(windows) == len(values):
        return Seen(*shifts.join(node, windows))
    parts = [reader.seen(node, index) for index in range(len(values))]
    axes = parts[0].axes
    steps = [part.step for part in parts]
    if (
        {part.axes for part in parts} != {axes}
        or axes[int(node.attributes["axis"])] != "C"
        or not all(step.same_sides(steps[0]) for step in steps)
        or not 2 <= len(steps) <= 6
    ):
        refuse(node, "2 to 6 maps of one size are joined along the channels")
    step = like("concat", node, *steps)
    step.channels = sum(part.channels for part in steps)
    return Seen(step, axes)


def _pad(reader: Reader, node: Node) -> Window:
    if node.attributes.get("mode", "constant") != "constant":
        refuse(node, "padding is constant, with zeros")
    value = reader.constant(node, 2)
    if value is not None and value.any():
        refuse(node, "padding is constant, with zeros")
    amounts = reader.fixed(node, 1).astype(int).tolist()
    half = len(amounts) // 2
    return _window(reader, node).padded(node, amounts[:half], amounts[half:])


def _slice(reader: Reader, node: Node) -> Window:
    window = _window(reader, node)
    begin, end = reader.fixed(node, 1).astype(int).tolist(), reader.fixed(node, 2).tolist()
    axes = reader.constant(node, 3)
    steps = reader.constant(node, 4)
    if steps is not None and (steps != 1).any():
        refuse(node, "slices take every pixel")
    where = range(len(begin)) if axes is None else axes.tolist()
    for axis, first, last in zip(where, begin, end, strict=True):
        window = window.cut(axis, first, last)
    return window


def _window(reader: Reader, node: Node) -> Window:
    value = reader.values.get(node.inputs[0])
    if isinstance(value, Window):
        return value
    seen = reader.seen(node)
    return shifts.whole(seen.step, seen.axes, reader.graph.height, reader.graph.width)


def _filtered(make: Callable[[Graph, Node, Step], Step], axes: str) -> Convert:
    """Convolutions and products: ``axes`` is the layout that they read and write."""

    def convert(reader: Reader, node: Node) -> Seen:
        seen = reader.seen(node)
        if seen.axes != axes and not (axes.endswith("C") and seen.axes.endswith("C")):
            refuse(node, f"its input is laid out as {axes}, and not {seen.axes}")
        return Seen(make(reader.graph, node, seen.step), seen.axes)

    return convert


Convert = Callable[[Reader, Node], Value]
OPERATORS: dict[str, Convert] = {
    "Add": _binary,
    "BatchNormalization": _batch_norm,
    "Cast": _same,
    "Concat": _concat,
    "Conv": _filtered(conv, "NCHW"),
    "ConvTranspose": _filtered(conv_transpose, "NCHW"),
    "Flatten": _reshape,
    "Gelu": _activation(Act.GELU),
    "Gemm": _filtered(gemm, "NC"),
    "GlobalAveragePool": _reduce,
    "GlobalMaxPool": _reduce,
    "LayerNormalization": _layer_norm,
    "MatMul": _filtered(matmul, "NHWC"),
    "MaxPool": _max_pool,
    "Mul": _binary,
    "Pad": _pad,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "Relu": _activation(Act.RELU),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _activation(Act.SIGMOID),
    "Slice": _slice,
    "Squeeze": _reshape,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}
