"""Versions of what may run in a measurement, read without importing any of it."""

from __future__ import annotations

from importlib import metadata

from scunext_edge import __version__

_PACKAGES = (
    *("numpy", "pillow", "torch", "onnx", "onnxruntime", "onnxruntime-gpu", "openvino", "nncf"),
    *("tensorrt", "tensorrt-cu12", "tensorrt-cu13", "tensorrt-rtx-cu13", "cuda-bindings"),
    *("nvidia-ml-py", "MNN", "safetensors", "lightning-fabric"),
)


def versions() -> dict[str, str | None]:
    """Version by name of the distribution, ours first; null where it is not installed."""
    return {"scunext-edge": __version__, **{name: _version(name) for name in _PACKAGES}}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
