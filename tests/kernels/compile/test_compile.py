"""Networks compiled to plans, against ONNX Runtime on the same graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scunext_edge.errors import ExportError
from scunext_edge.export import parity
from scunext_edge.export.forwards import onnx_forward
from scunext_edge.kernels import reference
from scunext_edge.kernels.compile.compile import compile_plan
from scunext_edge.kernels.plan import (
    NONE,
    Act,
    BlobType,
    Gather,
    Kind,
    TensorType,
    read_plan,
)

WEIGHTS = Path(__file__).resolve().parents[3] / "scunext_edge" / "weights"

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SIZE = 64


def compiled(model, precision="fp32"):
    plan = compile_plan(model, precision=precision, contract={"size": SIZE})
    return read_plan(plan.to_bytes())


def written(plan):
    """The plan as text, an operation a word: what follows it, and + for an addend."""
    words = []
    for op in plan.ops:
        marks = [op.kind.name.lower()]
        marks += [op.gather.name.lower()] if op.gather is not Gather.PLAIN else []
        marks += ["pool"] if op.pool else []
        marks += [op.act.name.lower()] if op.act is not Act.NONE else []
        marks += ["add"] if op.addend != NONE else []
        words.append("-".join(marks))
    return words


def shipped(name, precision):
    path = WEIGHTS / name / f"onnx-{precision}" / "model.onnx"
    if not path.is_file():
        pytest.skip("no network ships with this checkout")
    return path.read_bytes()


def test_fp32_is_the_graph(exported, network_name):
    model = exported(network_name)
    plan = compiled(model)
    images = parity.default_images(SIZE, 2)
    found = parity.compare(onnx_forward(model), lambda some: reference.run(plan, some), images)
    assert found.max_logit_difference < 1e-4  # logits of about +-5 after up to 40 layers
    assert {tensor.type for tensor in plan.tensors} == {TensorType.F32}


def test_int8_is_as_near_to_fp32_as_the_quantized_graph(exported, network_name):
    """Maps are one step of int8 apart here and there; the flat logits of untrained ones show it."""
    model = exported(network_name, "int8")
    plan = compiled(model, "int8")
    images = parity.default_images(SIZE, 2)
    exact = onnx_forward(exported(network_name))(images)
    expected = onnx_forward(model, as_written=True)(images)
    found = reference.run(plan, images)
    assert distance(found, exact) < 1.15 * distance(expected, exact) + 0.01
    assert distance(found, expected) < 0.25  # 0.18 for unet-paper, less for the others
    kinds = Kind.CONV, Kind.LINEAR, Kind.DECONV
    weights = [plan.blobs[op.blobs[0]].type for op in plan.ops if op.kind in kinds]
    assert set(weights) == {BlobType.INT8}


def distance(found, expected):
    """Root mean square, in standard deviations of ``expected``."""
    return np.sqrt(np.mean((found - expected) ** 2)) / expected.std()


@pytest.mark.parametrize("name", ["unext", "scunext"])
def test_trained_int8_gives_the_masks_of_the_quantized_graph(name):
    """99.97 and 99.95 % where this was written; the rest is int8 where ONNX has float skips."""
    model = shipped(name, "int8")
    images = parity.default_images(256, 3)
    expected = onnx_forward(model, as_written=True)(images)
    found = reference.run(compiled(model, "int8"), images)
    assert np.mean((found > 0) == (expected > 0)) > 0.997


def test_the_first_quantized_maps_are_those_of_the_graph():
    """Nothing differs before the first float skip, but biases and ties are rounded otherwise."""
    import onnxruntime

    model = onnx.load_from_string(shipped("scunext", "int8"))
    names = ["relu_QuantizeLinear_Output", "relu_1_QuantizeLinear_Output"]
    for name in names:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    images = parity.default_images(256, 1)
    expected = session.run(names, {"image": images})
    plan = compiled(shipped("scunext", "int8"), "int8")
    tensors = reference.run_tensors(plan, images[0])
    for op, wanted in zip(plan.ops[1:3], expected, strict=True):
        found = tensors[op.outputs[0]].astype(int)
        apart = np.abs(found - wanted[0].transpose(1, 2, 0))
        assert apart.max() <= 1
        assert np.mean(apart == 0) > 0.995


TOKENS = ["layernorm", "linear-rows", "depthwise-gelu", "linear-columns-add", "layernorm"]
ENCODER = [
    *["normalize", "conv-pool-relu", "conv-pool-relu", "conv-pool-relu"],
    *["conv", "layernorm", *TOKENS, "conv", "layernorm", *TOKENS],
]
GATES = ["channel_stats", "channel_gate", "spatial_summary", "spatial_gate-sigmoid", "cross"]
OPERATIONS = {
    "unext": [
        *ENCODER,
        *["conv", "upsample-relu-add", *TOKENS] * 2,
        *["conv", "upsample-relu-add"] * 2,
        *["conv", "tail_upsample"],
    ],
    "scunext": [
        *ENCODER,
        *["conv", "upsample-relu", "linear-pool-add", *GATES] * 3,
        *["conv", "upsample-relu", *GATES],
        *["linear", "linear", "deconv", "linear", "deconv", "deconv", "deconv-add"],
        *[*GATES, "tail_deconv"],
    ],
}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_nothing_is_left_unjoined(name, precision):
    plan = compiled(shipped(name, precision), precision)
    assert sorted(written(plan)) == sorted(OPERATIONS[name])
    assert written(plan)[: len(ENCODER)] == ENCODER
    assert written(plan)[-1] == OPERATIONS[name][-1]


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_int8_plans_store_as_int8(name):
    """All that quantized layers read, and once: skips read it too, but at 1/16 they have f32."""
    plan = compiled(shipped(name, "int8"), "int8")
    stored = {index: tensor.type for index, tensor in enumerate(plan.tensors)}
    two = [op for op in plan.ops if op.outputs[1] != NONE and op.kind is not Kind.SPATIAL_SUMMARY]
    assert [(op.kind, plan.tensors[op.outputs[0]].down_h) for op in two] == [(Kind.LAYERNORM, 4)]
    for op in plan.ops:
        if op.kind in (Kind.CONV, Kind.LINEAR):
            assert stored[op.inputs[0]] is TensorType.Q8
    first, tail = plan.tensors[0], plan.tensors[plan.ops[-1].inputs[0]]
    assert (first.type, first.channels, first.halo) == (TensorType.Q8, 4, 1)
    assert tail.type is (TensorType.Q16 if name == "unext" else TensorType.Q8)


def test_bf16_rounds_the_weights_of_convolutions_alone():
    plan = compiled(shipped("scunext", "fp32"), "bf16")
    halved = {op.kind for op in plan.ops if plan.blobs[op.blobs[0]].type is BlobType.BF16}
    assert halved == {Kind.CONV, Kind.LINEAR, Kind.DECONV}
    assert len(plan.to_bytes()) < 0.6 * len(compiled(shipped("scunext", "fp32")).to_bytes())


@pytest.mark.parametrize(("precision", "found"), [("int8", "is not"), ("fp32", "is")])
def test_the_precision_must_fit_the_graph(precision, found):
    other = "fp32" if precision == "int8" else "int8"
    with pytest.raises(ExportError, match=f"{precision} cannot .* that {found} quantized"):
        compiled(shipped("unext", other), precision)


def graph(*nodes, channels=8, **constants):
    """image -> c, a 3x3 convolution -> ``nodes`` -> y -> 1x1 convolution: the logits."""
    make, random = onnx.helper.make_node, np.random.default_rng(3)
    constants |= {
        "scale": np.full((1, 3, 1, 1), 0.02),
        "offset": np.full((1, 3, 1, 1), -1.5),
        "w": random.normal(size=(channels, 3, 3, 3)) / 4,
        "b": random.normal(size=channels),
        "last": random.normal(size=(1, channels, 1, 1)),
        "last_b": random.normal(size=1),
    }
    around = [
        make("Cast", ["image"], ["cast"], to=1),
        make("Transpose", ["cast"], ["nchw"], perm=[0, 3, 1, 2]),
        make("Mul", ["nchw", "scale"], ["scaled"]),
        make("Add", ["scaled", "offset"], ["normal"]),
        make("Conv", ["normal", "w", "b"], ["c"], pads=[1] * 4, kernel_shape=[3, 3]),
        *nodes,
        make("Conv", ["y", "last", "last_b"], ["logits"], name="final", kernel_shape=[1, 1]),
    ]
    value = onnx.helper.make_tensor_value_info
    made = onnx.helper.make_graph(
        around,
        "g",
        [value("image", onnx.TensorProto.UINT8, ["N", 32, 64, 3])],
        [value("logits", onnx.TensorProto.FLOAT, ["N", 1, 32, 64])],
        [onnx.numpy_helper.from_array(as_stored(array), name) for name, array in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 20)]
    return onnx.helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString()


def as_stored(array):
    array = np.asarray(array)
    return array if array.dtype.kind == "i" else array.astype(np.float32)


def node(op, inputs, output, **attributes):
    """``inputs`` are separated by one space; two leave one out."""
    name = f"the_{op}_{output}"
    return onnx.helper.make_node(op, inputs.split(" "), [output], name=name, **attributes)


REPEAT = {
    "mode": "nearest",
    "nearest_mode": "floor",
    "coordinate_transformation_mode": "asymmetric",
}
LEFTOVERS = {
    "a sum of one map with itself": ([node("Add", "c c", "y")], {}),
    "a ReLU after a sum": ([node("Add", "c c", "s"), node("Relu", "s", "y")], {}),
    "an activation of what others read": (
        [node("Sigmoid", "c", "s"), node("Mul", "c s", "p"), node("Sigmoid", "p", "y")],
        {},
    ),
    "a pooled map, up again": (
        [
            node("Relu", "c", "r"),
            node("MaxPool", "r", "m", kernel_shape=[2, 2], strides=[2, 2]),
            node("Resize", "m  i", "u", **REPEAT),
            node("Add", "u r", "y"),
        ],
        {"i": np.array([1.0, 1, 2, 2])},
    ),
    "weights by channel": ([node("Mul", "c k", "y")], {"k": np.arange(8.0).reshape(8, 1, 1)}),
    "12 channels, of which 4 are padding": (
        [node("Relu", "c", "r"), node("Conv", "r v", "y", pads=[2] * 4, dilations=[2, 2])],
        {"v": np.random.default_rng(1).normal(size=(12, 12, 3, 3)) / 9},
    ),
}


@pytest.mark.parametrize("what", LEFTOVERS)
def test_what_fits_no_pattern_still_runs(what):
    nodes, constants = LEFTOVERS[what]
    model = graph(*nodes, channels=12 if "12" in what else 8, **constants)
    images = np.random.default_rng(7).integers(0, 256, (2, 32, 64, 3), np.uint8)
    found = reference.run(compiled(model), images)
    np.testing.assert_allclose(found, onnx_forward(model)(images), rtol=0, atol=1e-4)


BETWEEN = {"begin": np.array([0]), "end": np.array([1]), "axis": np.array([1])}
KERNEL = {"v": np.zeros((8, 8, 5, 5))}


@pytest.mark.parametrize(
    ("nodes", "constants", "said"),
    [
        ([node("Tanh", "c", "y")], {}, r"the_Tanh_y \(Tanh\): it takes Add, BatchNorm"),
        ([node("MaxPool", "c", "y", kernel_shape=[3, 3])], {}, "the_MaxPool_y .* 2x2"),
        ([node("Conv", "c v", "y", pads=[2] * 4)], KERNEL, "the_Conv_y .* kernels are 1x1"),
        (
            [node("Conv", "c v", "y", group=2)],
            {"v": np.zeros((8, 4, 3, 3))},
            "the_Conv_y .* groups",
        ),
        (
            [node("ReduceMax", "c axis", "m"), node("Mul", "c m", "y")],
            {"axis": np.array([2, 3])},
            "the_ReduceMax_m where it stands: .* channel gate",
        ),
        (
            [node("Slice", "c begin end axis", "s"), node("Add", "c s", "y")],
            BETWEEN,
            "the_Add_y .* token shift",
        ),
        ([node("LayerNormalization", "c v", "y", axis=1)], KERNEL, "LayerNorm.* come last"),
        ([node("Relu", "c", "y"), node("Tanh", "y", "never_read")], {}, "the_Tanh_never_read"),
    ],
)
def test_what_cannot_be_taken_is_named(nodes, constants, said):
    with pytest.raises(ExportError, match=said):
        compiled(graph(*nodes, **constants))
