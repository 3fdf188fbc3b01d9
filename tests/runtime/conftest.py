"""A tiny network with the real contract, as an artifact in each engine's own format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scunext_edge.artifacts import Artifact, Card, load, new_artifact
from scunext_edge.kernels.plan import (
    Act,
    BlobType,
    Kind,
    Op,
    Plan,
    Tensor,
    TensorType,
    make_blob,
)
from scunext_edge.runtime.registry import open_runner
from scunext_edge.spec import Format, ModelSpec, Precision

SIZE = 32


def _make_artifact(
    directory: Path,
    content: bytes,
    *,
    name: str = "model.onnx",
    format: Format = "onnx",
    precision: Precision = "fp32",
    **card: object,
) -> Artifact:
    fields = {
        "model": "tiny",
        "format": format,
        "precision": precision,
        "spec": ModelSpec(size=SIZE),
        **card,
    }
    with new_artifact(directory, Card(**fields)) as folder:
        (folder / name).write_bytes(content)
    return load(directory)


def _tiny_onnx(*, quantized: bool = False, channels: int = 8) -> bytes:
    """Cast, Transpose, (x / 255 - mean) / std, a 3x3 and a 1x1 convolution; N is dynamic."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    spec = ModelSpec(size=SIZE)
    std = np.array(spec.std, np.float32).reshape(1, 3, 1, 1)
    mean = np.array(spec.mean, np.float32).reshape(1, 3, 1, 1)
    values = {
        "shift": 255 * mean,
        "scale": 255 * std,
        "w1": random.normal(0, 0.3, (channels, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.3, (1, channels, 1, 1)).astype(np.float32),
        "step": np.array(0.02, np.float32),
        "zero": np.array(0, np.int8),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["real"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["nchw", "shift"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["x0"]),
        *_conv(helper, "x0", "w1", "x1", quantized, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["x1"], ["x2"]),
        *_conv(helper, "x2", "w2", "x3", quantized),
        helper.make_node("Identity", ["x3"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1, SIZE, SIZE])],
        [numpy_helper.from_array(array, name) for name, array in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _conv(helper, data, weights, output, quantized, **attributes):
    """A convolution; quantized: both its inputs and its output go through Q/DQ."""
    if not quantized:
        return [helper.make_node("Conv", [data, weights], [output], **attributes)]
    nodes = []
    for name in (data, weights):
        nodes += _rounded(helper, name, f"{name}_{output}")
    inputs = [f"{data}_{output}", f"{weights}_{output}"]
    nodes.append(helper.make_node("Conv", inputs, [f"{output}_raw"], **attributes))
    return nodes + _rounded(helper, f"{output}_raw", output)


def _rounded(helper, name, rounded):
    scale = ["step", "zero"]
    return [
        helper.make_node("QuantizeLinear", [name, *scale], [f"{rounded}_int"]),
        helper.make_node("DequantizeLinear", [f"{rounded}_int", *scale], [rounded]),
    ]


def _tiny_scx(*, quantized: bool = False, size: int = SIZE) -> bytes:
    """A 3x3 convolution with a ReLU, and a 1x1: a plan of three operations."""
    random = np.random.default_rng(0)
    image = {"channels": 4, "scale": 0.02} if quantized else {"channels": 3}
    features = {"scale": 0.02} if quantized else {}
    type = TensorType.Q8 if quantized else TensorType.F32
    sides = {"type": type, "down_h": 0, "down_w": 0}
    taps = (3, 3, image["channels"], 8)
    blobs = [
        make_blob(1 / (255 * np.array(ModelSpec(size=size).std)), BlobType.F32),
        make_blob(-np.divide(ModelSpec(size=size).mean, ModelSpec(size=size).std), BlobType.F32),
        make_blob(random.normal(0, 1, 8), BlobType.F32),
        make_blob(random.normal(0, 0.3, 1), BlobType.F32),
    ]
    if quantized:
        blobs.append(make_blob(random.integers(-127, 128, taps), BlobType.INT8))
        blobs.append(make_blob(random.integers(-999, 999, 8), BlobType.INT32))
        blobs.append(make_blob(np.full(8, 1e-4), BlobType.F32))
    else:
        blobs.append(make_blob(random.normal(0, 0.3, taps), BlobType.F32))
        blobs.append(make_blob(random.normal(0, 0.3, 8), BlobType.F32))
    plan = Plan(
        precision="int8" if quantized else "fp32",
        height=size,
        width=size,
        contract="{}",
        tensors=[
            Tensor(**sides, halo=1, **image),
            Tensor(**sides, channels=8, nonnegative=True, **features),
        ],
        ops=[
            Op(kind=Kind.NORMALIZE, outputs=(0,), blobs=(0, 1)),
            Op(
                kind=Kind.CONV,
                inputs=(0,),
                outputs=(1,),
                blobs=tuple(range(4, len(blobs))),
                act=Act.RELU,
            ),
            Op(kind=Kind.TAIL, inputs=(1,), blobs=(2, 3)),
        ],
        blobs=blobs,
    )
    return plan.to_bytes()


@pytest.fixture(scope="session")
def tiny_scx():
    """``tiny_scx(quantized=)``: the bytes of a tiny network for the native engine."""
    return _tiny_scx


@pytest.fixture(scope="session")
def make_artifact():
    """``make_artifact(directory, content, name=, format=, precision=, ...)``."""
    return _make_artifact


@pytest.fixture(scope="session")
def tiny_onnx():
    """``tiny_onnx(quantized=)``: the bytes of a tiny network."""
    return _tiny_onnx


@pytest.fixture
def image() -> dict[str, np.ndarray]:
    pixels = np.random.default_rng(1).integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
    return {"image": pixels}


@pytest.fixture
def onnx_artifact(tmp_path) -> Artifact:
    pytest.importorskip("onnx")
    return _make_artifact(tmp_path / "onnx", _tiny_onnx())


@pytest.fixture
def fake_runner(tmp_path):
    artifact = _make_artifact(tmp_path / "fake", b"nothing")
    return open_runner(artifact, "fake")
