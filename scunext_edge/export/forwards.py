"""Models in memory as plain functions, uint8 images to logits, for comparing them.

One thread each and float32 arithmetic where the file leaves a choice: what is compared is the
file, not an engine's taste.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import BackendMissing, BackendUnavailable
from scunext_edge.export.imports import optional_imports, translated
from scunext_edge.export.parity import Forward, Images, Logits
from scunext_edge.kernels import native, reference
from scunext_edge.kernels.plan import read_plan
from scunext_edge.runtime.registry import open_runner
from scunext_edge.runtime.runner import infer

if TYPE_CHECKING:
    from torch import nn


def torch_forward(network: nn.Module) -> Forward:
    """A torch module that keeps the contract, in eval mode."""
    import torch

    def forward(images: Images) -> Logits:
        with torch.inference_mode():
            logits: Logits = network(torch.from_numpy(images)).numpy()
        return logits

    return forward


def onnx_forward(model: bytes, *, as_written: bool = False) -> Forward:
    """An ONNX file's bytes on ONNX Runtime's CPU provider.

    ``as_written`` keeps ONNX Runtime from fusing Q/DQ with the operators between them: fused,
    it is wrong in silence on graphs whose scales are float16.
    """
    with optional_imports("checking an ONNX file"):
        import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if as_written:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    with translated("loading the ONNX file"):
        session = ort.InferenceSession(model, options, ["CPUExecutionProvider"])

    def forward(images: Images) -> Logits:
        with translated("running the ONNX file"):
            logits: Logits = session.run(["logits"], {"image": images})[0]
        return logits

    return forward


def openvino_forward(model: Any) -> Forward:
    """An OpenVINO model (``openvino.Model`` or the path of its XML) on the CPU device."""
    with optional_imports("checking an OpenVINO file"):
        import openvino as ov

    # By default the CPU device computes in bf16 or f16 where it can.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    source = str(model) if isinstance(model, Path) else model
    with translated("compiling the OpenVINO file"):
        compiled = ov.Core().compile_model(source, "CPU", settings)

    def forward(images: Images) -> Logits:
        with translated("running the OpenVINO file"):
            return np.array(compiled({"image": images})["logits"])

    return forward


def native_forward(file: bytes) -> tuple[Forward, str]:
    """An ``.scx`` file on the native engine, or, where that is not built, on its reference.

    The text says which: the engine's instruction set, or "reference".
    """
    try:
        with translated("loading the file into the native engine"):
            model = native.open_model(file)
    except (BackendMissing, BackendUnavailable):
        plan = read_plan(file)
        return (lambda images: reference.run(plan, images)), "reference"

    def forward(images: Images) -> Logits:
        with translated("running the native engine"):
            return model.run(images, "logits")

    return forward, model.description.isa


@contextlib.contextmanager
def runner_forward(artifact: Artifact, backend: str, *, device: str = "cpu") -> Iterator[Forward]:
    """An artifact on one of the runtime's backends, closed at the end of the block."""
    runner = open_runner(artifact, backend, device=device)

    def forward(images: Images) -> Logits:
        logits: Logits = infer(runner, {"image": images})["logits"]
        return logits

    try:
        yield forward
    finally:
        runner.close()
