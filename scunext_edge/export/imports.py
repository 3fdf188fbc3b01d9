"""The border where the exporting packages are imported, and quiet while they talk."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from scunext_edge.errors import ExportError, ScunextEdgeError, missing_extra

# import name -> the extra of ours that brings it
_EXTRAS = {
    "torch": "torch",
    "safetensors": "torch",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "sympy": "onnx",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "nncf": "openvino",
    "tensorrt": "tensorrt",
    "cuda": "tensorrt",
}
_TALKERS = (
    "torch.onnx",
    "torch.__trace",
    "torch.export",
    "onnxscript",
    "onnx_ir",
    "nncf",
    "openvino",
)


@contextlib.contextmanager
def optional_imports(needed_for: str) -> Iterator[None]:
    """Around imports of optional packages: an absent one is ``BackendMissing`` with its extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        raise missing_extra(package, _EXTRAS[package], needed_for=needed_for) from error


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Around work of an exporting package: what it raises becomes ``ExportError``."""
    try:
        yield
    except ScunextEdgeError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(f"{doing} failed: {lines[0]}") from error


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keep warnings, log records and progress of third-party exporters off the user's screen.

    What they raise still comes through.
    """
    levels = {name: logging.getLogger(name).level for name in _TALKERS}
    root = logging.getLogger()
    unwanted = _Unwanted()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        root.addFilter(unwanted)
        for name in _TALKERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            root.removeFilter(unwanted)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


class _Unwanted(logging.Filter):
    """ONNX Runtime's quantizer logs through the root logger itself; errors still pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR
