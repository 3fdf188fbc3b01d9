"""MNN, by its Python wheel: a peer in this benchmark only.

Its converter is called as a function. The wheel's command ``mnnconvert`` does the same, but
installs another package and reports to its makers first.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from scunext_edge import isolate
from scunext_edge.errors import EngineError, require
from scunext_edge.pipeline.kernels.peer import Peer
from scunext_edge.spec import Image


def work(job: dict[str, Any]) -> None:
    """Convert ``onnx`` to ``out``."""
    _require()
    import _tools  # the wheel's converter, whatever the name suggests

    files = ("--modelFile", job["onnx"], "--MNNModel", job["out"])
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", *files, "--bizCode", "benchmark"])
    if not Path(job["out"]).is_file():
        raise EngineError(f"MNN did not convert {Path(job['onnx']).name}")


def open_peer(job: dict[str, Any], image: Image) -> Peer:
    """A session at its default precision, which is float32 on a CPU."""
    _require()
    import MNN

    size = job["size"]
    shape = (1, size, size, 3)
    interpreter = MNN.Interpreter(job["file"])
    session = interpreter.createSession({"backend": "CPU", "numThread": job["threads"]})
    interpreter.resizeTensor(interpreter.getSessionInput(session), shape)
    interpreter.resizeSession(session)
    # By "Caffe" it means: in the order of the shape that the model states
    as_stated = MNN.Tensor_DimensionType_Caffe
    pixels = MNN.Tensor(shape, MNN.Halide_Type_Uint8, np.ascontiguousarray(image[None]), as_stated)
    interpreter.getSessionInput(session).copyFrom(pixels)

    def mask() -> Any:
        result = interpreter.getSessionOutput(session)
        logits = np.zeros(result.getShape(), np.float32)
        copy = MNN.Tensor(result.getShape(), MNN.Halide_Type_Float, logits, as_stated)
        result.copyToHostTensor(copy)
        return np.array(copy.getNumpyData()).reshape(size, size) >= 0

    return Peer(
        run=lambda: interpreter.runSession(session),
        mask=mask,
        facts={"version": version("MNN"), "ran": None},
    )


def _require() -> None:
    require("MNN", "peers", needed_for="the comparison with MNN")


if __name__ == "__main__":
    isolate.serve(work)
