"""How the weights that ship were made from a training run: five forms, each scored and carded.

``python -m scunext_edge.pipeline.ship RUN/best --data isic2017 --test isic2018 --out FOLDER``
writes ``FOLDER/checkpoint``, ``onnx-fp32``, ``onnx-int8``, ``native-fp32`` and ``native-int8``.
With ``--native-only`` the first argument is such a folder, and its native files are made again
from its ONNX files. For those who release the package.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from scunext_edge.artifacts import Artifact, left_out, load, new_artifact
from scunext_edge.data.calibration import Screening, open_calibration
from scunext_edge.data.datasets import Dataset
from scunext_edge.data.source import Source, calibration_images
from scunext_edge.evaluation.evaluate import evaluate
from scunext_edge.evaluation.gate import judge
from scunext_edge.evaluation.records import Evaluation
from scunext_edge.export.to_int8 import to_int8
from scunext_edge.export.to_native import to_native
from scunext_edge.export.to_onnx import to_onnx
from scunext_edge.kernels.plan import Precision
from scunext_edge.models.complexity import profile
from scunext_edge.provenance import tool

BACKENDS = {"safetensors": "torch", "onnx": "onnxruntime", "native": "native"}

_NATIVE: tuple[Precision, ...] = ("fp32", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """An artifact and its scores by the name of what it was scored on."""

    artifact: Artifact
    scores: Mapping[str, Evaluation]


def ship(checkpoint: Path, *, data: Path, test: Path, out: Path, licence: str) -> list[Artifact]:
    """Export, score on ``data``'s validation and ``test``'s test part, and write the cards."""
    trained = load(checkpoint)
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as folder:
        fp32 = to_onnx(trained, Path(folder, "fp32"))
        images, screening = _calibration(trained, data)
        int8 = to_int8(fp32, Path(folder, "int8"), calibration=images, screening=screening)
        forms = {"checkpoint": trained, "onnx-fp32": fp32, "onnx-int8": int8}
        common = {"complexity": _complexity(trained), "licence_of_data": licence}
        made = _write_all(forms, trained, _sources(data, test), out, common)
    return [*made, *ship_native(out, data=data, test=test)]


def ship_native(shipped: Path, *, data: Path, test: Path) -> list[Artifact]:
    """The native files of a folder that :func:`ship` wrote, from the ONNX files in it."""
    trained = load(shipped / "checkpoint")
    common = {name: trained.card.details[name] for name in ("complexity", "licence_of_data")}
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as folder:
        forms = {
            f"native-{precision}": to_native(
                load(shipped / f"onnx-{precision}"), Path(folder, precision), precision=precision
            )
            for precision in _NATIVE
        }
        return _write_all(forms, trained, _sources(data, test), shipped, common)


def _sources(data: Path, test: Path) -> dict[str, Source]:
    return {
        f"{data.resolve().name} val": Source(folder=str(data), part="val"),
        f"{test.resolve().name} test": Source(folder=str(test), part="test"),
    }


def _write_all(
    forms: Mapping[str, Artifact],
    trained: Artifact,
    sources: Mapping[str, Source],
    out: Path,
    common: Mapping[str, Any],
) -> list[Artifact]:
    reference = _scored(trained, sources)
    return [
        _write(
            reference if form is trained else _scored(form, sources), reference, out / name, common
        )
        for name, form in forms.items()
    ]


def _calibration(trained: Artifact, data: Path) -> tuple[Dataset, Screening | None]:
    """The calibration part, without the images that training was kept away from."""
    images, screening = open_calibration(calibration_images(data))
    away = left_out(trained.card)
    return images.subset([name for name in images.ids if name not in away]), screening


def _scored(artifact: Artifact, sources: Mapping[str, Source]) -> Scored:
    backend = BACKENDS[artifact.card.format]
    scores = {name: evaluate(artifact, backend, source) for name, source in sources.items()}
    return Scored(artifact=artifact, scores=scores)


def _complexity(trained: Artifact) -> dict[str, int]:
    size = trained.spec.size
    counted = profile(trained.card.model, size=size, options=trained.card.options)
    return {"size": size, "params": counted.params, "macs": counted.macs}


def _write(one: Scored, reference: Scored, out: Path, common: Mapping[str, Any]) -> Artifact:
    details = {
        **one.artifact.card.details,
        **common,
        "evaluation": {name: _account(one, reference, name) for name in one.scores},
        "evaluated_by": tool(),
    }
    with new_artifact(out, replace(one.artifact.card, details=details)) as folder:
        for name in one.artifact.digests:
            (folder / name).write_bytes((one.artifact.directory / name).read_bytes())
    return load(out)


def _account(one: Scored, reference: Scored, name: str) -> dict[str, Any]:
    scores = one.scores[name]
    dice_pooled, iou_pooled = scores.pooled()
    found = {
        "backend": BACKENDS[one.artifact.card.format],
        "images": len(scores.scores),
        "hash": scores.dataset["hash"],
        **{metric: scores.mean(metric) for metric in ("dice", "iou", "precision", "recall")},
        "dice_pooled": dice_pooled,
        "iou_pooled": iou_pooled,
    }
    if one is reference:
        return found
    drop = judge(reference.scores[name], scores).drops["dice"]
    return {**found, "dice_drop": drop.mean, "dice_drop_upper": drop.upper}


if __name__ == "__main__":
    import typer

    def main(
        checkpoint: Path,
        data: Annotated[Path, typer.Option()],
        test: Annotated[Path, typer.Option()],
        out: Annotated[Path | None, typer.Option()] = None,
        licence: Annotated[str, typer.Option(help="Of the training data.")] = "CC0-1.0",
        native_only: Annotated[bool, typer.Option("--native-only")] = False,
    ) -> None:
        """Write the forms that ship."""
        if native_only:
            made = ship_native(checkpoint, data=data, test=test)
        elif out is None:
            raise typer.BadParameter("--out FOLDER is missing")
        else:
            made = ship(checkpoint, data=data, test=test, out=out, licence=licence)
        for artifact in made:
            print(artifact.directory, artifact.id, artifact.card.details["evaluation"])  # noqa: T201

    typer.run(main)
