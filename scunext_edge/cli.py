"""The command line: parse, call one function, print. Nothing is decided here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scunext_edge import (
    __version__,
    cli_data,
    cli_deploy,
    cli_experiment,
    cli_measure,
    cli_predict,
    cli_proof,
    cli_serve,
)
from scunext_edge.cli_options import DataOption, JsonOption, OutOption, ThreadsOption, options
from scunext_edge.errors import ScunextEdgeError, require

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class _Interruptible(TyperGroup):
    """Typer's releases differ in what Ctrl-C ends with: 1 or 130."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("interrupted: what was finished is kept", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Interruptible,
    help="Put a lesion segmenter on a point-of-care device, and prove that it still works there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_data.app, name="data")
app.add_typer(cli_deploy.app, name="bundle")
app.command()(cli_measure.bench)
app.command()(cli_measure.report)
app.command()(cli_measure.compare)
app.command()(cli_predict.predict)
app.command()(cli_proof.verify)
app.command()(cli_proof.quantize)
app.command("operating-point")(cli_proof.operating_point)
app.command()(cli_experiment.experiment)
app.command()(cli_serve.serve)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def scunext_edge(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    # Without a docstring, --help shows that of the application.
    pass


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A network, e.g. scunext; see `profile`.")],
    data: DataOption,
    out: OutOption,
    preset: Annotated[
        str, typer.Option(help="paper: 400 epochs; fast: fewer; FILE.toml.")
    ] = "fast",
    epochs: Annotated[int | None, typer.Option(help="Instead of the preset's.")] = None,
    batch: Annotated[int | None, typer.Option(help="Instead of the preset's.")] = None,
    edge: Annotated[float | None, typer.Option(help="Weight of the edge term; 0: off.")] = None,
    deep: Annotated[
        float | None, typer.Option(help="Weight of maps inside the network, if it has any; 0: off.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the network's input, in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    precision: Annotated[str, typer.Option(help="fp32, or bf16 where it pays.")] = "bf16",
    option: Annotated[list[str] | None, typer.Option(help="Of the network: skip=false.")] = None,
    away_from: Annotated[
        Path | None, typer.Option(help="Data set whose test images must not be met in training.")
    ] = None,
    teacher: Annotated[
        list[Path] | None, typer.Option(help="Checkpoint to learn from, with distil above 0.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where --out stopped.")] = False,
    accelerator: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    devices: Annotated[int, typer.Option(min=1, help="More than one is DDP.")] = 1,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Train a network; best and last checkpoint, log and curves go to --out."""
    require("torch", "torch", needed_for="training")
    from scunext_edge.progress import progress_bar
    from scunext_edge.training.recipe import preset as recipe_of
    from scunext_edge.training.start import Machine, speaks, start

    changes = {"epochs": epochs, "batch": batch, "edge": edge, "deep": deep, "seed": seed}
    recipe = recipe_of(preset, size=size, precision=precision, **changes)
    with progress_bar() as advance:
        artifact = start(
            model,
            recipe=recipe,
            data=data,
            out=out,
            options=options(option or []),
            away_from=away_from,
            resume=resume,
            machine=Machine(accelerator=accelerator, devices=devices, threads=threads),
            teachers=teacher or (),
            advance=advance,
        )
    if not speaks():
        return
    training = artifact.card.details["training"]
    if as_json:
        print(json.dumps({"artifact": str(artifact.directory), "id": artifact.id, **training}))
        return
    print(
        f"{artifact.directory}: epoch {training['epoch']}, validation Dice "
        f"{training['val_dice']:.4f}, IoU {training['val_iou']:.4f}"
    )


@app.command()
def evaluate(
    artifact: Annotated[str, typer.Argument(help="An artifact's folder, or a shipped network.")],
    data: DataOption,
    backend: Annotated[str, typer.Option("--backend", "-b", help="An engine; see `doctor`.")],
    part: Annotated[str, typer.Option(help="Which part of --data.")] = "test",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: ThreadsOption = 1,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Keep every score here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Score an artifact on an engine: Dice, IoU, precision and recall of every image."""
    from scunext_edge.data.source import Source
    from scunext_edge.evaluation import evaluate as evaluation
    from scunext_edge.weights.shipped import deployed

    scores = evaluation.evaluate(
        deployed(artifact, backend=backend, precision="fp32"),
        backend,
        Source(folder=str(data), part=part),
        device=device,
        threads=threads,
        record=out,
    )
    dice, iou = scores.pooled()
    found = {name: scores.mean(name) for name in ("dice", "iou", "precision", "recall")}
    found |= {"dice_pooled": dice, "iou_pooled": iou, "images": len(scores.scores)}
    print(json.dumps(found) if as_json else _pairs(found))


@app.command()
def export(
    artifact: Annotated[
        str, typer.Argument(help="A checkpoint or an FP32 ONNX artifact, or a shipped network.")
    ],
    to: Annotated[str, typer.Option(help="onnx, openvino, tensorrt or native.")],
    out: OutOption,
    precision: Annotated[
        str, typer.Option("--precision", "-p", help="fp32, fp16 (native: bf16), int8.")
    ] = "fp32",
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="For int8: its calibration part is used.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of the input; default: as trained.")
    ] = None,
    quantizer: Annotated[str, typer.Option(help="qdq; or nncf for OpenVINO.")] = "qdq",
    keep: Annotated[bool, typer.Option("--keep", help="Keep the forms made on the way.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write an artifact in another format or precision, checked against what it came from."""
    from scunext_edge.data.calibration import open_calibration
    from scunext_edge.data.source import calibration_images
    from scunext_edge.export.export import export as exported
    from scunext_edge.weights.shipped import deployed

    images, screening = None, None
    if data and precision == "int8":
        images, screening = open_calibration(calibration_images(data))
    made = exported(
        deployed(artifact, backend="torch", precision="fp32"),
        to=to,
        precision=precision,
        out=out,
        size=size,
        quantizer=quantizer,
        keep=keep,
        calibration=images,
        screening=screening,
    )
    for one in made:
        found = {"artifact": str(one.directory), "id": one.id, **one.card.details.get("parity", {})}
        print(json.dumps(found) if as_json else _pairs(found))


@app.command()
def profile(
    model: Annotated[
        str, typer.Argument(help="A network; with --backend, one that ships or an artifact.")
    ],
    size: Annotated[int | None, typer.Option(help="Side of the input; default: 256.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="Of the network: skip=false.")] = None,
    backend: Annotated[
        str | None, typer.Option("--backend", "-b", help="Time each layer on this engine.")
    ] = None,
    precision: Annotated[str, typer.Option("--precision", "-p", help="fp32 or int8.")] = "fp32",
    device: Annotated[str, typer.Option(help="cpu, or for native cpu-NAME.")] = "cpu",
    threads: ThreadsOption = 1,
    runs: Annotated[int, typer.Option(min=1, help="With --backend: how many are timed.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Count parameters and MACs per module; or with --backend, time each layer on an engine."""
    if backend is not None:
        if size is not None or option:
            raise typer.BadParameter("the artifact decides", param_hint="--size, --option")
        cli_measure.layers(model, backend, precision, device, threads, runs, as_json)
        return
    require("torch", "torch", needed_for="counting parameters and MACs")
    from dataclasses import asdict

    from scunext_edge.models.complexity import profile as counted
    from scunext_edge.models.paper import paper_table
    from scunext_edge.tables import profile_tables

    found = counted(model, size=size or 256, options=options(option or []))
    paper = paper_table()
    if as_json:
        print(json.dumps({**asdict(found), "paper_table": [asdict(row) for row in paper]}))
        return
    profile_tables(found, paper)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Which engines and extras work here, and why not."""
    from dataclasses import asdict

    from scunext_edge.benchmarks.passport import machine
    from scunext_edge.doctor import examine
    from scunext_edge.tables import doctor_tables

    found = examine()
    if as_json:
        print(json.dumps({"machine": machine(), **asdict(found)}))
        return
    doctor_tables(found, machine())


def main() -> None:
    """Entry point: our own errors become one line and an exit code; bugs crash loudly."""
    try:
        app()
    except ScunextEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error


def _pairs(values: dict[str, Any]) -> str:
    """One line a value, numbers to four significant digits."""
    return "\n".join(
        f"{name:22} {value:.4g}" if isinstance(value, float) else f"{name:22} {value}"
        for name, value in values.items()
    )
