"""The one explicit Q/DQ ONNX that every engine's INT8 starts from.

Symmetric int8 with zero point 0 and weights per channel, on the inputs of convolutions and
products only; biases and attention modules stay float. TensorRT refuses other zero points and
quantized biases; OpenVINO rounds a quantized maximum to an integer; quantized outputs make ONNX
Runtime slower, and wrong where scales are float16.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, get_args

from scunext_edge.artifacts import Artifact
from scunext_edge.data.calibration import MANIFEST, Screening
from scunext_edge.data.datasets import Dataset
from scunext_edge.errors import ConfigError
from scunext_edge.export import graph, parity
from scunext_edge.export.calibration import calibration_inputs, described
from scunext_edge.export.forwards import onnx_forward
from scunext_edge.export.imports import optional_imports, silenced, translated
from scunext_edge.export.parity import Images
from scunext_edge.export.to_fp16 import to_half
from scunext_edge.export.weight_codes import FULL, WeightCodes, narrow
from scunext_edge.export.writing import MODEL, inherited, require, scratch, write

Method = Literal["minmax", "percentile", "entropy"]


def to_int8(
    onnx_artifact: Artifact,
    out: Path,
    *,
    calibration: Dataset,
    method: Method = "minmax",
    screening: Screening | None = None,
    codes: WeightCodes = FULL,
    for_engine: Literal["any", "tensorrt"] = "any",
    images: Images | None = None,
) -> Artifact:
    """Quantize an FP32 ONNX artifact.

    ``screening``: what the calibration images were compared with, for the manifest. ``codes``:
    how finely weights are quantized.

    ``for_engine="tensorrt"``: what is not INT8 becomes FP16, for a strongly typed build; that
    file gives wrong results elsewhere, and its card says whom it is for. ``images`` as in
    :func:`scunext_edge.export.to_onnx.to_onnx`.
    """
    require(onnx_artifact, format="onnx", precision="fp32", wanted_by="INT8")
    if method not in get_args(Method):
        raise ConfigError(
            f"there is no calibration method {method!r}",
            hint=f"choose one of: {', '.join(get_args(Method))}",
        )
    facts, proof = described(calibration, method, screening)
    details = {**inherited(onnx_artifact), "calibration": facts, "weights": asdict(codes)}
    size = onnx_artifact.spec.size
    original = onnx_artifact.file(".onnx").read_bytes()
    model = quantize(original, calibration, size=size, method=method, codes=codes)
    if for_engine == "tensorrt":
        model = to_half(model)
        details["for_engine"] = "tensorrt"
    figures = parity.compare(
        onnx_forward(original),
        onnx_forward(model, as_written=for_engine == "tensorrt"),
        parity.default_images(size) if images is None else images,
        of=(f"onnx {onnx_artifact.id}", "onnx int8"),
    )
    details |= {"parity": parity.check(figures, "int8").to_json(), "made_with": _versions()}
    card = replace(
        onnx_artifact.card,
        precision="int8",
        quantizer="qdq",
        parent=onnx_artifact.id,
        details=details,
    )
    return write(out, card, {MODEL: model, MANIFEST: proof})


def quantize(
    model: bytes, calibration: Dataset, *, size: int, method: Method, codes: WeightCodes = FULL
) -> bytes:
    """An FP32 ONNX file as an explicit Q/DQ one; ranges come from ``calibration``."""
    with silenced(), optional_imports("quantization"):
        import onnx
        from onnxruntime import quantization as ort

    original = onnx.load_from_string(model)
    methods = {
        "minmax": ort.CalibrationMethod.MinMax,
        "percentile": ort.CalibrationMethod.Percentile,
        "entropy": ort.CalibrationMethod.Entropy,
    }
    ops = list(graph.QUANTIZED)
    with scratch() as folder, silenced(), translated("quantization"):
        path = folder / MODEL
        ort.quantize_static(
            original,
            path,
            _reader(calibration, size),
            quant_format=ort.QuantFormat.QDQ,
            per_channel=codes.per_channel,
            activation_type=ort.QuantType.QInt8,
            weight_type=ort.QuantType.QInt8,
            calibrate_method=methods[method],
            op_types_to_quantize=ops,
            nodes_to_exclude=graph.attention_nodes(original),
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "OpTypesToExcludeOutputQuantization": ops,
            },
        )
        quantized = onnx.load(path)
    _drop_unused_domains(quantized)
    graph.confine_quantization(quantized)
    if codes.bits < FULL.bits:
        narrow(quantized, onnx.load_from_string(model), codes)
    graph.check_opset(quantized)
    graph.check_quantized(quantized)
    graph.strip(quantized)
    onnx.checker.check_model(quantized, full_check=True)
    return graph.to_bytes(quantized)


def _reader(calibration: Dataset, size: int) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    inputs = calibration_inputs(calibration, size)

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the class is untyped
        def get_next(self) -> Any:
            return next(inputs, None)

    return Reader()


def _drop_unused_domains(model: Any) -> None:
    """ONNX Runtime lists its own operator domain even where no node uses it."""
    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if not entry.domain or entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _versions() -> dict[str, str]:
    import onnx
    import onnxruntime

    return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}
