"""Where two forms of a network part ways: at the normalisation, or at which layer of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scunext_edge.artifacts import Artifact
from scunext_edge.export import graph
from scunext_edge.export.imports import optional_imports, translated
from scunext_edge.kernels.plan import Kind, read_plan
from scunext_edge.spec import Image, ModelSpec

if TYPE_CHECKING:
    from onnx import ModelProto

Values = npt.NDArray[np.float32]  # [H, W, 3]

_WRONG = 0.03  # mean error of a channel, in standard deviations: quantized inputs err by 0.01
_LAYERS = {"Conv", "ConvTranspose", "MatMul", "Gemm", "Resize", "LayerNormalization"}
_APART = 0.25  # relative error of a layer that is no rounding: INT8 layers err by some percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first layer whose values differ by more than rounding does."""

    layer: str
    operator: str
    error: float  # root mean square of the difference over that of the reference


def normalised(artifact: Artifact, image: Image) -> Values | None:
    """What reaches the first convolution for uint8 [H, W, 3]; None: this form does not say."""
    reader = {"onnx": _onnx_values, "openvino": _openvino_values, "native": _native_values}
    read = reader.get(artifact.card.format)
    return None if read is None else read(artifact, image)


def normalisation_fault(found: Values, image: Image, spec: ModelSpec) -> str | None:
    """What is wrong with ``found``, against the contract (x / 255 - mean) / std; None: nothing."""
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    expected = _contract(image, mean, std)
    if found.shape != expected.shape:
        return f"it has the shape {found.shape}, not {expected.shape}"
    if _error(found, expected).max() <= _WRONG:
        return None
    as_bgr = _contract(image[..., ::-1], mean, std)
    if min(_error(found, as_bgr).max(), _error(found[..., ::-1], expected).max()) <= _WRONG:
        return "the channels are read as BGR"
    away = (found - expected).reshape(-1, 3)
    worst = int(_error(found, expected).argmax())
    if away[:, worst].std() <= _WRONG:
        shift = float(away[:, worst].mean() * std[worst])
        return (
            f"channel {worst} is shifted: its mean is {mean[worst] - shift:.3f}, "
            f"not {mean[worst]:.3f}"
        )
    return f"channel {worst} is off by {_error(found, expected)[worst]:.2f} on average"


def first_divergence(
    reference: Artifact, candidate: Artifact, images: npt.NDArray[np.uint8]
) -> Divergence | None:
    """Run two ONNX files of the same graph on [N, S, S, 3], and compare them layer by layer.

    Tensors are matched by name, which quantization keeps.
    """
    with optional_imports("comparing layers"):
        import onnx

    models = [onnx.load(it.file(".onnx")) for it in (reference, candidate)]
    layers = [
        {node.output[0]: node for node in it.graph.node if node.op_type in _LAYERS} for it in models
    ]
    names = [name for name in layers[0] if name in layers[1]]
    expected, found = (_run(model, names, images) for model in models)
    for name in names:
        size = float(np.sqrt(np.mean(np.square(expected[name]))))
        error = float(np.sqrt(np.mean(np.square(expected[name] - found[name]))))
        if not error <= _APART * max(size, 1e-6):  # NaN differs, too
            operator = layers[0][name].op_type
            return Divergence(layer=name, operator=operator, error=error / max(size, 1e-6))
    return None


def _run(
    model: ModelProto, outputs: list[str], images: npt.NDArray[np.uint8]
) -> dict[str, npt.NDArray[Any]]:
    import onnx
    import onnxruntime as ort

    traced = onnx.ModelProto()
    traced.CopyFrom(model)
    del traced.graph.output[:]
    # Without a type: the engine knows whether it is float or half.
    traced.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    with translated("comparing layers"):
        session = ort.InferenceSession(
            traced.SerializeToString(), options, ["CPUExecutionProvider"]
        )
        values = session.run(outputs, {"image": images})
    return {
        name: np.asarray(value, np.float32) for name, value in zip(outputs, values, strict=True)
    }


def _onnx_values(artifact: Artifact, image: Image) -> Values:
    with optional_imports("reading a graph"):
        import onnx
        from onnx.reference import ReferenceEvaluator

    model = onnx.load(artifact.file(".onnx"))
    first = next(node for node in model.graph.node if node.op_type == "Conv").input[0]
    del model.graph.output[:]
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(first, onnx.TensorProto.FLOAT, None)
    )
    graph.prune(model)
    with translated("reading a graph"):
        (values,) = ReferenceEvaluator(model).run(None, {"image": image[None]})
    return np.asarray(values[0].transpose(1, 2, 0), np.float32)


def _openvino_values(artifact: Artifact, image: Image) -> Values:
    with optional_imports("reading a graph"):
        import openvino as ov

    with translated("reading a graph"):
        core = ov.Core()
        model = core.read_model(artifact.file(".xml"))
        first = next(it for it in model.get_ordered_ops() if it.get_type_name() == "Convolution")
        upto = ov.Model([first.input_value(0)], model.get_parameters())
        properties = {"INFERENCE_PRECISION_HINT": "f32"}
        values = core.compile_model(upto, "CPU", properties)([image[None]])[0]
    return np.asarray(values[0].transpose(1, 2, 0), np.float32)


def _native_values(artifact: Artifact, image: Image) -> Values:
    plan = read_plan(artifact.file(".scx").read_bytes())
    op = next(it for it in plan.ops if it.kind is Kind.NORMALIZE)
    scale, offset = (plan.blobs[index].stored.astype(np.float32) for index in op.blobs[:2])
    return np.asarray(image.astype(np.float32) * scale + offset, np.float32)


def _contract(image: Image, mean: Values, std: Values) -> Values:
    return np.asarray((image.astype(np.float32) / 255 - mean) / std, np.float32)


def _error(found: Values, expected: Values) -> npt.NDArray[np.float64]:
    """Mean absolute error of each channel."""
    return np.asarray(np.abs(found - expected).mean((0, 1)), np.float64)
