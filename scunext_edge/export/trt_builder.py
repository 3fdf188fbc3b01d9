"""A TensorRT engine from a typed ONNX file, by names that 10.3 to 11.4 have in common."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scunext_edge.errors import BackendUnavailable, ExportError
from scunext_edge.storage import new_file

LEVEL = 5  # of 0 to 5: the longest search for the fastest kernels
WORKSPACE_MIB = 1024
MAX_BATCH = 32
FLAGS = {
    "network": "strongly typed",
    "tf32": False,
    "builder_optimization_level": LEVEL,
    "workspace_mib": WORKSPACE_MIB,
    "max_batch": MAX_BATCH,
    "profiling_verbosity": "detailed",
}


def build_plan(trt: Any, model: bytes, *, size: int, cache: Path | None = None) -> bytes:
    """Parse and build with the module ``trt`` (tensorrt, or tensorrt_rtx, which needs no GPU).

    ``cache``: a file of kernel timings, read if it is there and written after the build.
    """
    log = _logger(trt)
    try:
        builder = trt.Builder(log)
    except TypeError as error:  # its way of saying that CUDA does not start
        reason = "; ".join(log.problems) or str(error)
        raise BackendUnavailable(f"TensorRT does not start here: {reason}") from error
    # The flag's bit differs between the majors
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        found = [_told(parser.get_error(index)) for index in range(parser.num_errors)]
        raise ExportError(f"the parser refuses the model: {'; '.join(found)}")
    config = _config(trt, builder, size)
    if cache is not None:
        stored = cache.read_bytes() if cache.is_file() else b""
        # False: timings of another GPU or version are refused and not mixed in
        config.set_timing_cache(config.create_timing_cache(stored), False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError("; ".join(log.problems) or "the build failed and gave no reason")
    if cache is not None:
        with new_file(cache) as path:
            path.write_bytes(bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def timing_cache(built_for: Mapping[str, str], model: bytes) -> Path:
    """Where the timings of this file on this GPU with this TensorRT are kept between builds.

    Below the user's cache folder (XDG_CACHE_HOME, or ~/.cache).
    """
    content = json.dumps([sorted(built_for.items()), hashlib.sha256(model).hexdigest()])
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(content.encode()).hexdigest()[:32]
    return folder / "scunext-edge" / "tensorrt" / f"{name}.timing"


def _told(error: Any) -> str:
    """What the parser says, with the node that it says it of."""
    node = error.node_name()
    return f"{error.desc()} (node {node})" if node else str(error.desc())


def _config(trt: Any, builder: Any, size: int) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_MIB << 20)
    config.builder_optimization_level = LEVEL
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.clear_flag(trt.BuilderFlag.TF32)  # set by default: FP32 would not be FP32
    profile = builder.create_optimization_profile()
    one, many = (1, size, size, 3), (MAX_BATCH, size, size, 3)
    profile.set_shape("image", one, one, many)
    config.add_optimization_profile(profile)
    return config


def _logger(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc]  # the class is untyped
        """Keeps errors for our own messages and drops the rest."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.problems: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.problems.append(message.strip())

    return Log()
