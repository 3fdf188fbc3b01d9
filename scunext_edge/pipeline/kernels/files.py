"""The file that each engine loads, for one network at one size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scunext_edge import artifacts, isolate
from scunext_edge.data.source import calibration_images
from scunext_edge.errors import ScunextEdgeError
from scunext_edge.export.worker import WORKER
from scunext_edge.pipeline.kernels.settings import Form
from scunext_edge.weights.shipped import Form as Shipped
from scunext_edge.weights.shipped import shipped

CONVERTER = "scunext_edge.pipeline.kernels.peer_mnn"


class Files:
    """Files are made when they are first asked for, in processes of their own."""

    def __init__(self, model: str, size: int, folder: Path, *, calibration: int) -> None:
        self._model = model
        self._size = size
        self._folder = folder
        self._calibration = calibration_images(None, drawn=calibration).to_json()
        self._made: dict[tuple[str, str, str], Path] = {}
        self._failed: dict[Form, ScunextEdgeError] = {}

    def path(self, form: Form) -> Path:
        """An artifact's folder, or what the engine's own converter wrote. A failure stays one."""
        if form in self._failed:
            raise self._failed[form]
        try:
            return self._path(form)
        except ScunextEdgeError as error:
            self._failed[form] = error
            raise

    def _path(self, form: Form) -> Path:
        if form.engine == "torch-compile":
            return shipped(self._model, "checkpoint").directory
        if form.engine == "mnn":
            return self._mnn()
        if form.engine == "native":
            return self._exported("native", form.precision)
        if form.variant == "nncf":
            return self._exported("openvino", "int8", "nncf")
        return self._exported("onnx", "int8" if form.precision == "int8" else "fp32")

    def _exported(self, to: str, precision: str, quantizer: str = "qdq") -> Path:
        key = (to, precision, quantizer)
        if key not in self._made:
            self._made[key] = self._shipped(to, precision) or self._export(to, precision, quantizer)
        return self._made[key]

    def _shipped(self, to: str, precision: str) -> Path | None:
        names: Mapping[tuple[str, str], Shipped] = {
            ("onnx", "fp32"): "onnx-fp32",
            ("onnx", "int8"): "onnx-int8",
        }
        if (to, precision) not in names:
            return None
        found = shipped(self._model, names[to, precision])
        return found.directory if found.spec.size == self._size else None

    def _export(self, to: str, precision: str, quantizer: str) -> Path:
        out = self._folder / f"{self._model}-{self._size}-{to}-{precision}-{quantizer}"
        isolate.call(
            WORKER,
            {
                "model": self._model,
                "parent": str(self._parent(to, precision, quantizer)),
                "to": to,
                "precision": precision,
                "quantizer": quantizer,
                "size": self._size,
                "out": str(out),
                "calibration": self._calibration if precision == "int8" else None,
            },
        )
        return out

    def _parent(self, to: str, precision: str, quantizer: str) -> Path:
        if to == "onnx" and precision == "fp32":
            return shipped(self._model, "checkpoint").directory
        is_quantized_first = to != "onnx" and precision == "int8" and quantizer == "qdq"
        return self._exported("onnx", "int8" if is_quantized_first else "fp32")

    def _mnn(self) -> Path:
        out = self._folder / f"{self._model}-{self._size}.mnn"
        if not out.exists():
            onnx = artifacts.load(self._exported("onnx", "fp32")).file(".onnx")
            isolate.call(CONVERTER, {"onnx": str(onnx), "out": str(out)})
        return out


def why(error: ScunextEdgeError) -> str:
    """An error for a record that is passed on: no folder of this machine's user in it."""
    return str(error).replace(str(Path.home()), "~") or type(error).__name__


def missing(form: Form, error: ScunextEdgeError, **where: Any) -> dict[str, Any]:
    """What stands in the record in place of a row."""
    return {**where, **form._asdict(), "kind": type(error).__name__, "reason": why(error)}
