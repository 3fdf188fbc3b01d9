"""The native engine's file from an ONNX artifact: FP32, BF16 weights, or INT8 from Q/DQ."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from scunext_edge import __version__
from scunext_edge.artifacts import Artifact
from scunext_edge.errors import ConfigError
from scunext_edge.export import parity
from scunext_edge.export.forwards import native_forward, onnx_forward
from scunext_edge.export.imports import optional_imports, silenced
from scunext_edge.export.parity import Images
from scunext_edge.export.writing import inherited, proofs, require, write
from scunext_edge.kernels.plan import PRECISIONS, Precision

FILE = "model.scx"


def to_native(
    onnx_artifact: Artifact, out: Path, *, precision: Precision, images: Images | None = None
) -> Artifact:
    """Compile an ONNX artifact: the FP32 one for fp32 and bf16, the Q/DQ one for int8.

    ``images`` as in :func:`scunext_edge.export.to_onnx.to_onnx`. The same artifact gives the same
    bytes.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"native files are {', '.join(PRECISIONS)}, not {precision!r}")
    wanted = "int8" if precision == "int8" else "fp32"
    require(onnx_artifact, format="onnx", precision=wanted, wanted_by=f"native {precision}")
    meant_for = onnx_artifact.card.details.get("for_engine")
    if meant_for is not None:
        raise ConfigError(
            f"{onnx_artifact.directory} was made for {meant_for}",
            hint="export the int8 ONNX for any engine, and give that one",
        )
    with silenced(), optional_imports("export for the native engine"):
        import onnx

        from scunext_edge.kernels.compile.compile import compile_plan
    card = onnx_artifact.card
    original = onnx_artifact.file(".onnx").read_bytes()
    plan = compile_plan(original, precision=precision, contract=asdict(card.spec))
    file = plan.to_bytes()
    forward, engine = native_forward(file)
    figures = parity.compare(
        # ONNX Runtime's fused int8 products saturate on processors without VNNI
        onnx_forward(original, as_written=precision == "int8"),
        forward,
        parity.default_images(card.spec.size) if images is None else images,
        of=(f"onnx {onnx_artifact.id}", f"native {precision}"),
    )
    details = {
        **inherited(onnx_artifact),
        "parity": parity.check(figures, precision).to_json(),
        "parity_ran_on": engine,
        "made_with": {"scunext-edge": __version__, "onnx": onnx.__version__},
    }
    made = replace(
        card, format="native", precision=precision, parent=onnx_artifact.id, details=details
    )
    return write(out, made, {FILE: file, **proofs(onnx_artifact)})
