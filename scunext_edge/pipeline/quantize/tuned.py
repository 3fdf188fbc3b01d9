"""The rung between INT8 and mixed precision: the same Q/DQ file of a network tuned for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from scunext_edge.artifacts import Artifact
from scunext_edge.data.calibration import Screening
from scunext_edge.data.datasets import Dataset
from scunext_edge.errors import ExportError
from scunext_edge.export import parity
from scunext_edge.export.forwards import onnx_forward, torch_forward
from scunext_edge.export.mixed import quantized_layers
from scunext_edge.export.placement import placement
from scunext_edge.export.to_int8 import to_int8
from scunext_edge.export.to_onnx import to_onnx
from scunext_edge.export.writing import scratch
from scunext_edge.pipeline.quantize.settings import Settings
from scunext_edge.progress import Advance

if TYPE_CHECKING:
    from scunext_edge.training.qat import Tuning

_APART = 2e-3  # share of pixels; sums in another order move some codes by one


def tuned(
    settings: Settings,
    int8: Artifact,
    out: Path,
    *,
    calibration: Dataset,
    screening: Screening | None,
    advance: Advance,
    on_epoch: Callable[[], None],
) -> Artifact:
    """Fine-tune as ``int8`` computes, and quantize what came of it in the same way, to ``out``.

    The run stands in ``training/`` of the search's folder, where another call goes on with it.
    ``on_epoch`` may raise to stop between two epochs.
    """
    from scunext_edge.training import qat

    content = int8.file(".onnx").read_bytes()
    assert settings.checkpoint is not None  # settings saw to it
    assert settings.qat is not None
    tuning = qat.Tuning(
        checkpoint=settings.checkpoint,
        placed=placement(
            settings.parent.file(".onnx").read_bytes(), content, top=settings.codes.top
        ),
        size=int8.spec.size,
        epochs=settings.qat,
        out=settings.out / "training" / out.name,
        start={
            "checkpoint": settings.checkpoint.id,
            "int8": int8.id,
            "weights": asdict(settings.codes),
        },
        threads=settings.threads,
    )
    _check_alike(tuning, content)
    best = qat.tune(tuning, settings.data, advance=advance, on_epoch=on_epoch)
    with scratch() as folder:
        made = to_int8(
            to_onnx(best, folder / "onnx"),
            out,
            calibration=calibration,
            screening=screening,
            method=settings.method,  # type: ignore[arg-type]  # checked there
            codes=settings.codes,
        )
    if quantized_layers(made.file(".onnx").read_bytes()) != quantized_layers(content):
        raise ExportError(f"{out} is quantized at other places than {int8.directory}")
    return made


def _check_alike(tuning: Tuning, int8: bytes) -> None:
    """Raise unless the network to be tuned computes what the file does."""
    from scunext_edge.training import qat

    found = parity.compare(
        torch_forward(qat.network(tuning)),
        onnx_forward(int8, as_written=True),
        parity.default_images(tuning.size),
        of=("the rounded network", "its Q/DQ file"),
    )
    if found.flipped_pixels > _APART:
        raise ExportError(
            f"the network to be tuned is not what its Q/DQ file computes: "
            f"{found.flipped_pixels:.2%} of the pixels differ (limit {_APART:.2%})",
            hint="a layer that is used at several places cannot be tuned",
        )
