"""A checkpoint as one ONNX file: uint8 image in, logits out, any batch size."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scunext_edge.artifacts import Artifact, Card
from scunext_edge.errors import ConfigError, ExportError, ScunextEdgeError
from scunext_edge.export import graph, parity
from scunext_edge.export.forwards import onnx_forward, torch_forward
from scunext_edge.export.imports import optional_imports, silenced
from scunext_edge.export.parity import Images
from scunext_edge.export.to_fp16 import to_half
from scunext_edge.export.writing import MODEL, inherited, write
from scunext_edge.spec import check_size

if TYPE_CHECKING:
    from torch import nn


def to_onnx(
    artifact: Artifact,
    out: Path,
    *,
    size: int | None = None,
    precision: Literal["fp32", "fp16"] = "fp32",
    images: Images | None = None,
) -> Artifact:
    """Export a safetensors checkpoint at ``size`` (default: the one it was trained for).

    ``images``: uint8 [N, size, size, 3] to check the file against the checkpoint on; default is
    a few synthetic lesions. The same checkpoint gives the same bytes.
    """
    with optional_imports("export to ONNX"):
        import onnx
        import torch

        from scunext_edge.models.checkpoint import load_network
    if precision not in ("fp32", "fp16"):
        raise ConfigError(f"to_onnx writes fp32 and fp16, not {precision!r}")
    spec = replace(artifact.spec, size=check_size(artifact.spec.size if size is None else size))
    network = load_network(artifact)
    model = trace(network, spec.size)
    if precision == "fp16":
        model = to_half(model)
    figures = parity.compare(
        torch_forward(network),
        onnx_forward(model),
        parity.default_images(spec.size) if images is None else images,
        of=(f"torch {artifact.id}", f"onnx {precision}"),
    )
    parity.check(figures, precision)
    made_with = {"torch": torch.__version__, "onnx": onnx.__version__}
    card = Card(
        model=artifact.card.model,
        options=artifact.card.options,
        format="onnx",
        precision=precision,
        spec=spec,
        parent=artifact.id,
        details={**inherited(artifact), "parity": figures.to_json(), "made_with": made_with},
    )
    return write(out, card, {MODEL: model})


def trace(network: nn.Module, size: int) -> bytes:
    """The network as a stripped FP32 ONNX file with a dynamic batch dimension N."""
    with optional_imports("export to ONNX"):
        import onnx
        import torch

    # Two images, since the exporter takes a dimension of 1 for a constant
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    try:
        with silenced(), optional_imports("export to ONNX"):
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                opset_version=graph.OPSET,
                input_names=["image"],
                output_names=["logits"],
                external_data=False,
                dynamic_shapes=({0: torch.export.Dim("N")},),
                verbose=False,
            )
    except ScunextEdgeError:
        raise
    except Exception as error:
        raise _refusal(error) from error
    assert program is not None  # the dynamo exporter returns what it made
    model = program.model_proto
    graph.check_opset(model)
    graph.strip(model)
    onnx.checker.check_model(model, full_check=True)
    return graph.to_bytes(model)


def _refusal(error: BaseException) -> ExportError:
    """Name the operator that has no ONNX form, from wherever in the chain of causes it stands."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    for link in chain:
        found = re.search(r"No ONNX function found for <OpOverload\(op='([\w.:]+)'", str(link))
        if found:
            return ExportError(
                f"the operator {found[1]} has no ONNX form at opset {graph.OPSET}",
                hint="write that layer with standard convolutions, products and reshapes",
            )
    reason = str(chain[-1]).strip().splitlines() or [type(error).__name__]
    return ExportError(f"the network cannot be traced: {reason[0]}")
