"""What works on this machine: engines, optional packages, networks that ship."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from scunext_edge.runtime.registry import BACKENDS, BackendStatus, statuses
from scunext_edge.weights import shipped

# One package each stands for its extra.
_EXTRAS = {
    "torch": ("torch", "train, profile, export from checkpoints"),
    "onnx": ("onnx", "export to ONNX, quantize"),
    "onnxruntime": ("onnxruntime", "run ONNX artifacts"),
    "openvino": ("openvino", "run and export OpenVINO artifacts"),
    "tensorrt": ("tensorrt", "build and run TensorRT engines"),
    "profile": ("fvcore", "count MACs"),
    "report": ("matplotlib", "report.html with its figures"),
    "data": ("pooch", "download the public data sets"),
    "verify": ("monai", "measure distances between outlines"),
    "dicom": ("pydicom", "read DICOM, write DICOM Segmentations"),
    "ray": ("ray", "predict on a Ray cluster"),
    "bundle": ("cryptography", "make and check bundles"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """An optional part of this package."""

    name: str
    needed_for: str
    version: str | None  # null: not installed
    hint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The state of this installation."""

    engines: Sequence[BackendStatus]
    extras: Sequence[Extra]
    networks: Sequence[str]  # with trained weights in the package


def examine() -> Examination:
    """Try every engine in a process of its own; look for every optional package."""
    return Examination(
        engines=statuses([name for name in BACKENDS if name != "fake"]),
        extras=[_extra(name, *details) for name, details in _EXTRAS.items()],
        networks=shipped.names(),
    )


def _extra(name: str, package: str, needed_for: str) -> Extra:
    try:
        found: str | None = version(package)
    except PackageNotFoundError:
        found = None
    hint = None if found else f"pip install 'scunext-edge[{name}]'"
    return Extra(name=name, needed_for=needed_for, version=found, hint=hint)
