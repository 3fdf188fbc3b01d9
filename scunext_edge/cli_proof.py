"""``verify``, ``quantize`` and ``operating-point``: parse, call one function, print."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from scunext_edge.cli_options import DataOption, JsonOption, OutOption, ThreadsOption


def verify(
    artifact: Annotated[str, typer.Argument(help="An artifact's folder, or a shipped network.")],
    against: Annotated[str, typer.Option(help="The reference: a folder, or a shipped network.")],
    data: DataOption,
    backend: Annotated[
        str | None, typer.Option("--backend", "-b", help="Default: the one of that format.")
    ] = None,
    against_backend: Annotated[str | None, typer.Option(help="The reference's engine.")] = None,
    precision: Annotated[
        str, typer.Option("--precision", "-p", help="Of a shipped network: int8 or fp32.")
    ] = "int8",
    part: Annotated[str, typer.Option(help="Which part of --data.")] = "test",
    margin: Annotated[float, typer.Option(help="The most mean Dice that may be lost.")] = 0.005,
    tier: Annotated[
        str | None, typer.Option(help="Instead of --margin: 99 or 99.9 percent of Dice kept.")
    ] = None,
    floor: Annotated[float, typer.Option(help="Of one image's Dice; falls are named.")] = 0.8,
    most_missed: Annotated[int, typer.Option(help="Lesions that may be newly missed.")] = 0,
    confidence: Annotated[float, typer.Option(help="Of the bounds.")] = 0.95,
    tolerance: Annotated[float, typer.Option(help="Of surface Dice, in pixels.")] = 2.0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: ThreadsOption = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the record; resumes there.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Is an artifact as good as its reference, for every patient? Exit code 1: not shown."""
    from scunext_edge.evaluation.acceptance import Criteria
    from scunext_edge.pipeline.verify.page import to_markdown
    from scunext_edge.pipeline.verify.settings import Settings, side
    from scunext_edge.pipeline.verify.verify import verify as verified
    from scunext_edge.progress import progress_bar

    settings = Settings(
        candidate=side(artifact, backend=backend, precision=precision, device=device),
        reference=side(against, backend=against_backend, precision="fp32"),
        data=data,
        part=part,
        criteria=Criteria(
            margin=margin,
            tier=tier,
            floor=floor,
            most_missed=most_missed,
            confidence=confidence,
        ),
        tolerance=tolerance,
        threads=threads,
        workers=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        out=out,
        command=("scunext-edge", *sys.argv[1:]),
    )
    with progress_bar() as advance:
        found = verified(settings, advance=advance)
    print(json.dumps(found.content) if as_json else to_markdown(found.content), end="")
    raise typer.Exit(found.exit_code)


def quantize(
    artifact: Annotated[str, typer.Argument(help="A shipped network, or an FP32 ONNX artifact.")],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to; resumes.")],
    max_drop: Annotated[float, typer.Option(help="The most mean Dice that may be lost.")] = 0.005,
    time_budget: Annotated[str, typer.Option(help="e.g. 90s, 30m, 2h; of all calls.")] = "30m",
    backend: Annotated[
        str, typer.Option("--backend", "-b", help="Scores and times; reads ONNX.")
    ] = "onnxruntime",
    part: Annotated[str, typer.Option(help="Which part of --data bounds the loss.")] = "val",
    method: Annotated[str, typer.Option(help="minmax, percentile or entropy.")] = "minmax",
    images: Annotated[int, typer.Option(min=1, help="That layers are ranked on.")] = 150,
    weight_bits: Annotated[int, typer.Option(help="2 to 8, all stored as int8.")] = 8,
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="One scale for all channels of a weight.")
    ] = False,
    qat: Annotated[
        int | None, typer.Option(help="Epochs of fine-tuning, where INT8 alone loses too much.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="For --qat: what ARTIFACT was exported from.")
    ] = None,
    nncf: Annotated[
        bool, typer.Option("--nncf", help="NNCF's accuracy control beside it; -b openvino.")
    ] = False,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """As much INT8 as a bound on the loss of Dice allows. Exit code 1: not reached."""
    from dataclasses import asdict

    from scunext_edge.export.weight_codes import WeightCodes
    from scunext_edge.pipeline.quantize.page import to_markdown
    from scunext_edge.pipeline.quantize.quantize import quantize as quantized
    from scunext_edge.pipeline.quantize.settings import Settings, checkpoint_of, seconds
    from scunext_edge.progress import progress_bar
    from scunext_edge.weights.shipped import deployed

    settings = Settings(
        parent=deployed(artifact, backend="onnxruntime", precision="fp32"),
        data=data,
        out=out,
        max_drop=max_drop,
        budget_s=seconds(time_budget),
        backend=backend,
        threads=threads,
        part=part,
        method=method,
        images=images,
        codes=WeightCodes(bits=weight_bits, per_channel=not per_tensor),
        qat=qat,
        checkpoint=checkpoint_of(artifact, checkpoint, qat=qat),
        nncf=nncf,
        command=("scunext-edge", *sys.argv[1:]),
    )
    with progress_bar() as advance:
        found = quantized(settings, advance=advance)
    print(json.dumps(asdict(found.search)) if as_json else to_markdown(found.search), end="")
    raise typer.Exit(found.exit_code)


def operating_point(
    models: Annotated[list[str], typer.Argument(help="Networks that ship, or artifacts' folders.")],
    data: DataOption,
    out: OutOption,
    backend: Annotated[
        str | None, typer.Option("--backend", "-b", help="Default: the one of that format.")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", "-p", help="Of shipped networks: fp32 or int8.")
    ] = "fp32",
    choose_on: Annotated[str, typer.Option(help="The part that chooses the threshold.")] = "val",
    part: Annotated[str, typer.Option(help="The part that all else is measured on.")] = "test",
    limits: Annotated[
        Path | None, typer.Option(help="quality.json of a network that does not ship.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Where to cut, whether probabilities hold, and what bad pictures cost. Resumes in --out."""
    from scunext_edge.pipeline.operating.page import to_markdown
    from scunext_edge.pipeline.operating.study import Settings
    from scunext_edge.pipeline.operating.study import operating_point as measured
    from scunext_edge.pipeline.verify.settings import side
    from scunext_edge.progress import progress_bar

    settings = Settings(
        sides=tuple(side(it, backend=backend, precision=precision, device=device) for it in models),
        data=data,
        out=out,
        choose_on=choose_on,
        part=part,
        limits=limits,
        threads=threads,
        command=("scunext-edge", *sys.argv[1:]),
    )
    with progress_bar() as advance:
        record = measured(settings, advance=advance)
    print(json.dumps(record) if as_json else to_markdown(record), end="" if not as_json else "\n")
