"""Texts in the forms that TensorRT's inspector is documented and seen to give them."""

from __future__ import annotations

import json

import pytest

from scunext_edge.runtime.trt_layers import read_layers


def tensor(name, kind, dimensions=(1, 8, 32, 32), field="Format/Datatype"):
    return {"Name": name, "Location": "Device", "Dimensions": list(dimensions), field: kind}


def cask(node, data, weights, *, kind="CaskConvolution", tactic="", **more):
    """A layer of TensorRT's own, 10.x, with its weights."""
    return {
        "Name": f"{node} + node_relu_1",
        "LayerType": kind,
        "Inputs": [tensor("x", data), tensor("skip", "Channel major FP16 format")],
        "Outputs": [tensor("y", data)],
        "ParameterType": "Convolution",
        "Kernel": [3, 3],
        "OutMaps": 8,
        "Groups": 1,
        "Weights": {"Type": weights, "Count": 576},
        "Bias": {"Type": "Float", "Count": 8},
        "TacticName": tactic,
        "StreamId": 0,
        "Metadata": f"[ONNX Layer: {node}]\x1e[ONNX Layer: node_relu_1]",
        **more,
    }


def compiled(nodes, kinds, *, name="__myl_FcAdd_myl0_3", kind="gemm", tactic="", field=None):
    """A layer of TensorRT's compiler: no weights, and inputs in no known order."""
    inputs = [tensor(f"t{at}", it, field=field or "Format/Datatype") for at, it in enumerate(kinds)]
    return {
        "Name": name,
        "LayerType": kind,
        "Inputs": inputs,
        "Outputs": [tensor("y", kinds[-1], field=field or "Format/Datatype")],
        "TacticName": tactic,
        "Metadata": "".join(f"[ONNX Layer: {it}]" for it in nodes),
    }


def reformat(metadata="", **more):
    return {
        "Name": "Reformatting CopyNode for Input Tensor 0 to node_a + node_relu_1",
        "LayerType": "Reformat",
        "Inputs": [tensor("x", "Row major linear FP32")],
        "Outputs": [tensor("x_", "Row major Int8 format")],
        "ParameterType": "Reformat",
        "Origin": "QDQ",
        "Metadata": metadata,
        **more,
    }


def census(*layers, macs=None):
    text = json.dumps({"Layers": layers, "Bindings": ["image", "logits"]})
    return read_layers(text, {"node_a": 1000} if macs is None else macs)


def ran(*layers):
    found = census(*layers)
    return found and found.dominant


INT8 = "Thirty-two wide channel vectorized row major Int8 format"
HALF = "Channel major FP16 format where channel % 8 == 0"


@pytest.mark.parametrize(
    ("layer", "precision"),
    [
        (cask("node_a", INT8, "Int8"), "int8"),
        (cask("node_a", HALF, "Half", kind="CaskGemmConvolution"), "fp16"),
        (cask("node_a", "Row major linear FP32", "Float"), "fp32"),
        (cask("node_a", "BFloat16", "BFloat16", kind="CaskDeconvolutionV2"), "bf16"),
        (cask("node_a", INT8, "Float"), "fp32"),  # INT8 comes in, and is widened
        (cask("node_a", HALF, "Int8"), "fp16"),  # only the weights are stored in INT8
        (cask("node_a", "N/A due to dynamic shapes", "Int8"), "int8"),
        (
            cask(
                "node_a", "Float", "Float", tactic="sm80_xmma_gemm_f32f32_tf32f32_f32_nn_n_tile64"
            ),
            "tf32",
        ),
        (
            cask("node_a", INT8, "Int8", tactic="sm80_xmma_fprop_avdt_sparse_int8int8_tile64"),
            "int8",
        ),
        (compiled(["node_a"], ["Half", "Half"]), "fp16"),
        (compiled(["node_a"], ["Int8", "Int8", "Float", "Half"], kind="correlation"), "int8"),
        (compiled(["node_a"], ["Int8"]), "int8"),
        (compiled(["node_a"], ["Half", "Half"], field="DataType"), "fp16"),  # 11.x
        (compiled(["node_a"], ["Half"], tactic="sm80_xmma_gemm_i8f32_i8i32_f32_tn"), "int8"),
        (compiled(["node_a"], ["Float"], tactic="sm90_xmma_gemm_e4m3bf16_e4m3f32_f32_tn"), "fp8"),
        (compiled(["node_a"], ["UInt8", "Half"], kind="kgen"), "fp16"),
        # One INT8 tensor among floats: it may be widened in the kernel, nobody tells
        (compiled(["node_a"], ["Int8", "Half"]), None),
        (compiled(["node_a"], ["Half", "Float"]), None),
        (compiled(["node_a"], ["N/A due to dynamic shapes"]), None),
        (compiled(["node_b"], ["Half"]), None),
    ],
)
def test_a_layers_format_is_what_it_multiplied(layer, precision):
    assert ran(layer) == precision


def test_in_version_11_the_type_stands_in_a_field_of_its_own():
    layer = cask("node_a", HALF, "Half")
    layer["Inputs"] = [{**tensor("x", "Int8", field="DataType"), "Format": "kCHW32"}]
    layer["Weights"]["Type"] = "Int8"
    text = json.dumps({"Layers": [layer], "I/O Tensors": [{"Name": "image", "IOMode": "Input"}]})
    assert read_layers(text, {"node_a": 1}).dominant == "int8"


def test_layers_are_weighed_by_the_macs_of_their_nodes_in_the_onnx_file():
    found = census(
        cask("node_a", INT8, "Int8"),
        compiled(["node_b", "node_gelu", "node_c"], ["Half", "Half"]),
        macs={"node_a": 900, "node_b": 60, "node_c": 40},
    )
    assert found.shares == {"int8": 0.9, "fp16": 0.1}
    assert [it.name for it in found.work] == ["node_a", "node_b", "node_c"]


def test_layers_without_metadata_are_known_by_their_names():
    one = cask("node_a", INT8, "Int8", Metadata="")
    two = compiled([], ["Half"], name="node_b+node_c_myl0_9")
    found = census(one, two, macs={"node_a": 2, "node_b": 1, "node_c": 1})
    assert found.shares == {"int8": 0.5, "fp16": 0.5}


def test_what_only_converts_is_counted_and_does_not_multiply():
    found = census(
        reformat(metadata="[ONNX Layer: node_a]"),
        compiled(["node_a"], ["Float", "Half"], kind="kgen", name="__myl_MoveCast_myl0_1"),
        cask("node_a", INT8, "Int8"),
        compiled([], ["Half"], kind="kgen", name="__myl_CastMul_myl0_2"),
    )
    assert (found.dominant, found.conversions) == ("int8", 2)


def test_a_layer_that_only_converts_says_nothing_of_its_node():
    assert ran(reformat(metadata="[ONNX Layer: node_a]")) is None


def test_a_kernel_that_multiplies_is_believed_before_one_that_does_not():
    pads = compiled(["node_a"], ["Float"], kind="kgen", name="__myl_Pad_myl0_1")
    assert ran(pads, compiled(["node_a"], ["Half"], kind="correlation")) == "fp16"


def test_two_kernels_that_disagree_are_unknown():
    halves = [compiled(["node_a"], [it]) for it in ("Half", "Float")]
    assert ran(*halves) is None


@pytest.mark.parametrize(("unknown", "told"), [(300, True), (700, False)])
def test_what_is_not_told_is_shown_unless_it_could_change_the_answer(unknown, told):
    layers = cask("node_a", INT8, "Int8"), cask("node_b", HALF, "Half")
    found = census(*layers, macs={"node_a": 1000, "node_b": 400, "node_c": unknown})
    assert (found is not None) == told
    if found is not None:
        assert found.dominant == "int8"
        assert found.shares["unknown"] == pytest.approx(unknown / 1700)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Layers": ["node_a + node_relu", "{ForeignNode[node_b...node_c]}"]}),
        json.dumps({"Layers": []}),
        json.dumps(["node_a"]),
        '{"Layers": [{"Name": "node_a", ',
        "",
    ],
    ids=["names alone", "no layer", "no object", "cut off", "nothing"],
)
def test_a_text_that_tells_too_little_is_no_census(text):
    assert read_layers(text, {"node_a": 1}) is None


def test_a_separator_that_is_not_escaped_is_read_all_the_same():
    text = json.dumps({"Layers": [cask("node_a", INT8, "Int8")]}).replace("\\u001e", "\x1e")
    assert "\x1e" in text
    assert read_layers(text, {"node_a": 1}).dominant == "int8"
