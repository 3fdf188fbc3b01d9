"""OpenVINO's own files: FP32 and FP16 from the ONNX, INT8 from the Q/DQ ONNX or by NNCF."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scunext_edge.artifacts import Artifact
from scunext_edge.benchmarks.passport import machine
from scunext_edge.data.calibration import MANIFEST, Screening
from scunext_edge.data.datasets import Dataset
from scunext_edge.data.preprocess import mask_to_network, to_network
from scunext_edge.errors import ConfigError
from scunext_edge.export import graph, parity
from scunext_edge.export.calibration import calibration_inputs, described
from scunext_edge.export.forwards import onnx_forward, openvino_forward
from scunext_edge.export.imports import optional_imports, silenced, translated
from scunext_edge.export.parity import Images
from scunext_edge.export.writing import inherited, proofs, require, scratch, write
from scunext_edge.metrics import score
from scunext_edge.runtime.precision import sums_saturate
from scunext_edge.spec import Array, Mask, Precision

_ONNX_PRECISION: dict[str, Precision] = {"fp32": "fp32", "fp16": "fp32", "int8": "int8"}


def to_openvino(
    onnx_artifact: Artifact,
    out: Path,
    *,
    precision: Literal["fp32", "fp16", "int8"],
    images: Images | None = None,
) -> Artifact:
    """Convert an ONNX artifact: FP32 for fp32 and fp16 (weights stored as FP16), Q/DQ for int8."""
    if precision not in _ONNX_PRECISION:
        raise ConfigError(f"OpenVINO files are fp32, fp16 or int8, not {precision!r}")
    wanted = _ONNX_PRECISION[precision]
    require(onnx_artifact, format="onnx", precision=wanted, wanted_by=f"OpenVINO {precision}")
    engine = onnx_artifact.card.details.get("for_engine")
    if engine is not None:
        raise ConfigError(
            f"{onnx_artifact.directory} was made for {engine}",
            hint="export the int8 ONNX for any engine, and give that one",
        )
    model = _read(onnx_artifact)
    return _write(
        onnx_artifact,
        out,
        model,
        precision=precision,
        images=images,
        extra={},
        proofs=proofs(onnx_artifact),
        quantizer=onnx_artifact.card.quantizer,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """For NNCF's accuracy control: the most mean Dice that may be lost on these images."""

    max_drop: float
    validation: Dataset


def to_openvino_nncf(
    onnx_artifact: Artifact,
    out: Path,
    *,
    calibration: Dataset,
    screening: Screening | None = None,
    bound: Bound | None = None,
    images: Images | None = None,
) -> Artifact:
    """Quantize an FP32 ONNX artifact by NNCF: symmetric, any device; a row of its own.

    With ``bound``, NNCF's accuracy control puts layers back to float until the bound holds.
    """
    require(onnx_artifact, format="onnx", precision="fp32", wanted_by="NNCF")
    facts, proof = described(calibration, "nncf", screening)
    with silenced(), optional_imports("quantization by NNCF"):
        import nncf
    model, size = _read(onnx_artifact), onnx_artifact.spec.size
    options = {
        "preset": nncf.QuantizationPreset.PERFORMANCE,  # symmetric
        "subset_size": len(calibration),
        "ignored_scope": nncf.IgnoredScope(names=_attention(onnx_artifact), validate=False),
    }
    data = nncf.Dataset(list(calibration_inputs(calibration, size)))
    with silenced(), translated("quantization by NNCF"):
        if bound is None:
            quantized = nncf.quantize(model, data, **options)
        else:
            quantized = nncf.quantize_with_accuracy_control(
                model,
                data,
                nncf.Dataset(list(_validation_items(bound.validation, size)), lambda it: it[0]),
                _mean_dice,
                max_drop=bound.max_drop,
                **options,
            )
    return _write(
        onnx_artifact,
        out,
        quantized,
        precision="int8",
        images=images,
        extra={"calibration": facts},
        proofs={MANIFEST: proof},
        quantizer="nncf",
    )


def _validation_items(dataset: Dataset, size: int) -> Iterator[tuple[dict[str, Array], Mask]]:
    for index in range(len(dataset)):
        sample = dataset[index]
        image = to_network(sample.image_hwc, size)[None]
        yield {"image": image}, mask_to_network(sample.mask_hw, size)


def _mean_dice(compiled: Any, items: Iterable[Any]) -> tuple[float, list[float]]:
    """Over what :func:`_validation_items` gave, as NNCF asks for it: the mean, and each."""
    dice = [score(compiled(inputs)[0][0, 0] > 0, truth).dice for inputs, truth in items]
    return sum(dice) / len(dice), dice


def _attention(onnx_artifact: Artifact) -> list[str]:
    """What OpenVINO calls the convolutions of attention modules, where quantizing costs most."""
    with optional_imports("quantization by NNCF"):
        import onnx
    names = graph.attention_nodes(onnx.load(onnx_artifact.file(".onnx")))
    # A convolution with a bias becomes two operations, of which the second keeps the name
    return [*names, *(f"{name}/WithoutBiases" for name in names)]


def _read(onnx_artifact: Artifact) -> Any:
    """From bytes, since OpenVINO notes the path of a file that it converts."""
    with silenced(), optional_imports("export to OpenVINO"):
        import openvino as ov
    with translated("reading the ONNX file with OpenVINO"):
        return ov.Core().read_model(onnx_artifact.file(".onnx").read_bytes())


def _write(
    parent: Artifact,
    out: Path,
    model: Any,
    *,
    precision: Precision,
    images: Images | None,
    quantizer: str | None,
    extra: dict[str, Any],
    proofs: Mapping[str, bytes],
) -> Artifact:
    import openvino as ov

    with scratch() as folder:
        path = folder / "model.xml"
        with silenced(), translated("writing the OpenVINO file"):
            _forget_origin(model)
            ov.save_model(model, path, compress_to_fp16=precision == "fp16")
        figures = parity.compare(
            onnx_forward(parent.file(".onnx").read_bytes()),
            openvino_forward(path),
            parity.default_images(parent.spec.size) if images is None else images,
            of=(f"onnx {parent.id}", f"openvino {precision}"),
        )
        files = {name: (folder / name).read_bytes() for name in ("model.xml", "model.bin")}
    details = {
        **inherited(parent),
        **extra,
        "parity": parity.check(figures, precision).to_json(),
        "made_with": {"openvino": ov.__version__},
    }
    if sums_saturate("openvino", precision, machine()["isa"] or ()):
        details["parity_remark"] = "compared without VNNI, where OpenVINO's INT8 sums overflow"
    card = replace(
        parent.card,
        format="openvino",
        precision=precision,
        quantizer=quantizer,
        parent=parent.id,
        details=details,
    )
    return write(out, card, {**files, **proofs})


def _forget_origin(model: Any) -> None:
    """Drop the conversion's notes, and number generated names from 0: same model, same bytes.

    OpenVINO names what it adds itself by a counter that runs as long as the process.
    """
    for key in list(model.get_rt_info()):
        del model.get_rt_info()[key]
    for index, op in enumerate(model.get_ordered_ops()):
        generated = re.fullmatch(r"([A-Z]\w*)_\d+(/.*)?", op.get_friendly_name())
        if generated:
            op.set_friendly_name(f"{generated[1]}.{index}{generated[2] or ''}")
