"""From any artifact to the form that was asked for, by way of the forms between."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, cast

from scunext_edge.artifacts import Artifact
from scunext_edge.data.calibration import Screening
from scunext_edge.data.datasets import Dataset
from scunext_edge.errors import ConfigError
from scunext_edge.export.parity import Images
from scunext_edge.export.to_fp16 import to_fp16
from scunext_edge.export.to_int8 import to_int8
from scunext_edge.export.to_native import to_native
from scunext_edge.export.to_onnx import to_onnx
from scunext_edge.export.to_openvino import to_openvino, to_openvino_nncf
from scunext_edge.export.to_tensorrt import build_engine, to_tensorrt
from scunext_edge.export.writing import scratch
from scunext_edge.kernels import plan

TARGETS = ("onnx", "openvino", "tensorrt", "native")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")  # bf16: native only, which has no fp16
QUANTIZERS = ("qdq", "nncf")  # nncf: OpenVINO only


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What was asked for, and the folder for what is made on the way."""

    size: int | None
    calibration: Dataset | None
    screening: Screening | None
    images: Images | None
    workshop: Path
    name: str  # of what is asked for; what is made on the way is named after it

    def calibrated(self) -> Dataset:
        if self.calibration is None:
            raise ConfigError(
                "int8 needs images to set its ranges by, and none were given",
                hint="give --data with a calibration split (`scunext-edge data split` draws one)",
            )
        return self.calibration


def export(
    artifact: Artifact,
    *,
    to: str,
    precision: str,
    out: Path,
    size: int | None = None,
    calibration: Dataset | None = None,
    screening: Screening | None = None,
    quantizer: str = "qdq",
    images: Images | None = None,
    keep: bool = False,
) -> list[Artifact]:
    """Write ``artifact`` as ``to`` in ``precision`` to ``out``; the last one is what was asked for.

    It starts from a checkpoint, or, without torch, from an FP32 ONNX artifact. With ``keep`` the
    artifacts made on the way stay beside ``out`` and come first in the list. For TensorRT, ``out``
    holds the typed ONNX with its recipe, and ``<out>-engine`` the engine where TensorRT is
    installed. ``calibration`` and ``screening``: see :mod:`scunext_edge.data.calibration`.
    """
    _check(artifact, to=to, precision=precision, quantizer=quantizer, size=size)
    with _workshop(out, keep) as folder:
        order = _Order(
            size=size,
            calibration=calibration,
            screening=screening,
            images=images,
            workshop=folder,
            name=out.name,
        )
        if to == "onnx":
            made = _onnx(artifact, order, precision, out)
        elif to == "openvino":
            made = _openvino(artifact, order, precision, quantizer, out)
        elif to == "native":
            made = _native(artifact, order, precision, out)
        else:
            made = _tensorrt(artifact, order, precision, out)
        return [step for step in made if keep or step.directory in (out, _engine_at(out))]


def _onnx(
    artifact: Artifact,
    order: _Order,
    precision: str,
    out: Path,
    *,
    for_engine: Literal["any", "tensorrt"] = "any",
) -> list[Artifact]:
    if precision != "int8" and artifact.card.format == "safetensors":
        typed = cast(Literal["fp32", "fp16"], precision)
        made = to_onnx(artifact, out, size=order.size, precision=typed, images=order.images)
        return [made]
    if precision == "fp32":
        raise ConfigError(f"{artifact.directory} is an ONNX fp32 artifact already")
    if precision == "fp16":
        return [to_fp16(artifact, out, images=order.images)]
    calibration = order.calibrated()  # before the minutes that the other steps may take
    source, before = _source(artifact, order)
    made = to_int8(
        source,
        out,
        calibration=calibration,
        screening=order.screening,
        for_engine=for_engine,
        images=order.images,
    )
    return [*before, made]


def _openvino(
    artifact: Artifact, order: _Order, precision: str, quantizer: str, out: Path
) -> list[Artifact]:
    if precision == "int8" and quantizer == "nncf":
        calibration = order.calibrated()
        source, before = _source(artifact, order)
        made = to_openvino_nncf(
            source,
            out,
            calibration=calibration,
            screening=order.screening,
            images=order.images,
        )
        return [*before, made]
    source, before = _typed_source(artifact, order, precision)
    typed = cast(Literal["fp32", "fp16", "int8"], precision)
    return [*before, to_openvino(source, out, precision=typed, images=order.images)]


def _native(artifact: Artifact, order: _Order, precision: str, out: Path) -> list[Artifact]:
    source, before = _typed_source(artifact, order, precision)
    typed = cast(plan.Precision, precision)
    return [*before, to_native(source, out, precision=typed, images=order.images)]


def _tensorrt(artifact: Artifact, order: _Order, precision: str, out: Path) -> list[Artifact]:
    if (artifact.card.format, precision) == ("onnx", artifact.card.precision):
        source, before = artifact, []
    else:
        typed = order.workshop / f"{order.name}-onnx-{precision}"
        before = _onnx(artifact, order, precision, typed, for_engine="tensorrt")
        source = before[-1]
    made = [*before, to_tensorrt(source, out)]
    if find_spec("tensorrt") is None:
        return made
    return [*made, build_engine(made[-1], _engine_at(out), images=order.images)]


def _typed_source(
    artifact: Artifact, order: _Order, precision: str
) -> tuple[Artifact, list[Artifact]]:
    """The Q/DQ ONNX for int8, else the FP32 one, and what had to be made for it."""
    if precision != "int8":
        return _source(artifact, order)
    if artifact.card.precision == "int8":
        return artifact, []
    before = _onnx(artifact, order, "int8", order.workshop / f"{order.name}-onnx-int8")
    return before[-1], before


def _source(artifact: Artifact, order: _Order) -> tuple[Artifact, list[Artifact]]:
    """The FP32 ONNX that all else starts from, and what had to be made for it."""
    if artifact.card.format == "onnx":
        return artifact, []
    made = to_onnx(
        artifact, order.workshop / f"{order.name}-onnx-fp32", size=order.size, images=order.images
    )
    return made, [made]


def _check(
    artifact: Artifact, *, to: str, precision: str, quantizer: str, size: int | None
) -> None:
    for value, allowed, what in (
        (to, TARGETS, "export target"),
        (precision, PRECISIONS, "precision to export"),
        (quantizer, QUANTIZERS, "quantizer"),
    ):
        if value not in allowed:
            raise ConfigError(
                f"there is no {what} {value!r}", hint=f"choose one of: {', '.join(allowed)}"
            )
    if quantizer == "nncf" and (to, precision) != ("openvino", "int8"):
        raise ConfigError(
            f"nncf does not make {to} {precision}", hint="use it with --to openvino -p int8"
        )
    if precision == ("fp16" if to == "native" else "bf16"):
        takes = plan.PRECISIONS if to == "native" else ("fp32", "fp16", "int8")
        raise ConfigError(
            f"{to} is not made in {precision}", hint=f"choose one of: {', '.join(takes)}"
        )
    card = artifact.card
    ready = card.format == "onnx" and (
        card.precision == "fp32" or (card.precision == precision and to != "onnx")
    )
    if card.format != "safetensors" and not ready:
        raise ConfigError(
            f"{artifact.directory} is {card.format} {card.precision}: {to} {precision} "
            "cannot be made from it",
            hint="start from a checkpoint (safetensors) or an ONNX fp32 artifact",
        )
    if card.format == "onnx" and size not in (None, card.spec.size):
        raise ConfigError(
            f"{artifact.directory} was exported at {card.spec.size}, which cannot be changed",
            hint=f"export the checkpoint with --size {size}",
        )


@contextlib.contextmanager
def _workshop(out: Path, keep: bool) -> Iterator[Path]:
    if keep:
        yield out.parent
        return
    with scratch() as folder:
        yield folder


def _engine_at(out: Path) -> Path:
    return out.with_name(f"{out.name}-engine")
