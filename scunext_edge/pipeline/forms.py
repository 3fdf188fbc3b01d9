"""The forms of one subject that engines load, made when first asked for and kept in the run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from scunext_edge import isolate
from scunext_edge.artifacts import CARD, Artifact, load, new_artifact
from scunext_edge.data.calibration import open_calibration
from scunext_edge.data.source import Source
from scunext_edge.errors import ArtifactError, BackendUnavailable, ScunextEdgeError
from scunext_edge.export.worker import WORKER
from scunext_edge.pipeline.subjects import Subject

# What can be made for an engine, as (precision, quantizer); the order is that of the rows.
OFFERED: dict[str, tuple[tuple[str, str | None], ...]] = {
    "torch": (("fp32", None), ("fp16", None)),
    "onnxruntime": (("fp32", None), ("fp16", None), ("int8", "qdq")),
    "openvino": (("fp32", None), ("fp16", None), ("int8", "qdq"), ("int8", "nncf")),
    "tensorrt": (("fp16", None), ("int8", "qdq")),
    "native": (("fp32", None), ("int8", "qdq")),
}
# What an engine gives while it is timed, where it is not logits (`docs/scx.md`).
OUTPUT = {"native": "score"}


@dataclass(slots=True)
class Forms:
    """Forms by name; one that could not be made is remembered with its error."""

    subject: Subject
    folder: Path  # where new ones go
    calibration: Source
    _made: dict[str, Artifact | ScunextEdgeError] = field(default_factory=dict)

    def get(self, backend: str, precision: str, quantizer: str | None) -> Artifact:
        """The artifact that ``backend`` loads for this row; raises what making it raised."""
        if backend == "torch":
            return self._checkpoint() if precision == "fp32" else self._half_checkpoint()
        if backend == "onnxruntime":
            return self._onnx(precision)
        if backend == "openvino":
            return self._openvino(precision, quantizer)
        if backend == "native":
            return self._native(precision)
        return self._tensorrt(precision)

    def _checkpoint(self) -> Artifact:
        if self.subject.checkpoint is not None:
            return self.subject.checkpoint
        if self.subject.onnx_fp32 is not None:
            raise BackendUnavailable(
                f"{self.subject.label} was given as ONNX: torch needs the checkpoint",
                hint="give the checkpoint instead, and the ONNX is made from it",
            )
        return self._make("checkpoint", parent=None)

    def _half_checkpoint(self) -> Artifact:
        """The same weights with a card that asks for half precision: autocast does the rest."""
        whole, path = self._checkpoint(), self._path("checkpoint-fp16")
        with new_artifact(path, replace(whole.card, precision="fp16", parent=whole.id)) as folder:
            for name in whole.digests:
                shutil.copyfile(whole.directory / name, folder / name)
        return load(path)

    def _onnx(self, precision: str) -> Artifact:
        if precision == "int8":
            if self.subject.onnx_int8 is not None:
                return self.subject.onnx_int8
            return self._make("onnx-int8", self._onnx("fp32"), "onnx", "int8", "qdq")
        if precision == "fp16":
            return self._make("onnx-fp16", self._onnx("fp32"), "onnx", "fp16")
        if self.subject.onnx_fp32 is not None:
            return self.subject.onnx_fp32
        return self._make("onnx-fp32", self._checkpoint(), "onnx", "fp32")

    def _openvino(self, precision: str, quantizer: str | None) -> Artifact:
        if quantizer == "nncf":
            parent = self._onnx("fp32")
            return self._make("openvino-int8-nncf", parent, "openvino", "int8", "nncf")
        parent = self._onnx("int8" if precision == "int8" else "fp32")
        return self._make(f"openvino-{precision}", parent, "openvino", precision)

    def _native(self, precision: str) -> Artifact:
        if precision in self.subject.native:
            return self.subject.native[precision]
        return self._make(f"native-{precision}", self._onnx(precision), "native", precision)

    def _tensorrt(self, precision: str) -> Artifact:
        name = f"tensorrt-{precision}"
        self._make(name, self._onnx("fp32"), "tensorrt", precision)
        return load(self._path(f"{name}-engine"))

    def _make(
        self,
        name: str,
        parent: Artifact | None,
        to: str | None = None,
        precision: str | None = None,
        quantizer: str | None = None,
    ) -> Artifact:
        if name not in self._made:
            try:
                self._made[name] = self._stored(name, parent, quantizer) or self._new(
                    name, parent, to, precision, quantizer
                )
            except ScunextEdgeError as error:
                self._made[name] = error
        made = self._made[name]
        if isinstance(made, ScunextEdgeError):
            raise made
        return made

    def _new(
        self,
        name: str,
        parent: Artifact | None,
        to: str | None,
        precision: str | None,
        quantizer: str | None,
    ) -> Artifact:
        job = {
            "parent": str(parent.directory) if parent else None,
            "model": self.subject.model,
            "to": to,
            "precision": precision,
            "quantizer": quantizer,
            "size": self.subject.size,
            "out": str(self._path(name)),
            "calibration": self.calibration.to_json() if precision == "int8" else None,
        }
        isolate.call(WORKER, job)
        return load(self._path(name))

    def _stored(self, name: str, parent: Artifact | None, quantizer: str | None) -> Artifact | None:
        """What an earlier run left, if it was made from the same parent and the same images."""
        if not (self._path(name) / CARD).is_file():
            return None
        try:
            found = load(self._path(name))
        except ArtifactError:
            return None
        card = found.card
        if parent is not None and card.parent != parent.id:
            return None
        seen = card.details.get("calibration") or {}
        if quantizer is not None and seen.get("hash") != open_calibration(self.calibration)[0].hash:
            return None
        return found

    def _path(self, name: str) -> Path:
        return _path(self.folder, self.subject, name)


def kept_onnx(subject: Subject, folder: Path, *, is_int8: bool) -> Artifact | None:
    """The network's ONNX form, shipped or made by a run before; null: none was needed."""
    known = subject.onnx_int8 if is_int8 else subject.onnx_fp32
    if known is not None:
        return known
    path = _path(folder, subject, "onnx-int8" if is_int8 else "onnx-fp32")
    return load(path) if (path / CARD).is_file() else None


def _path(folder: Path, subject: Subject, name: str) -> Path:
    return folder / f"{subject.label}-{subject.size}-{name}"
