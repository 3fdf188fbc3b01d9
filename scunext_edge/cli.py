"""The command line: parse, call one function, print. Nothing is decided here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from scunext_edge import __version__
from scunext_edge.errors import ScunextEdgeError, require

app = typer.Typer(
    help="Put a lesion segmenter on a point-of-care device, and prove that it still works there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DataOption = Annotated[Path, typer.Option("--data", "-d", help="Folder of images and masks.")]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data, not prose.")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="CPU threads.")]


@app.callback()
def scunext_edge(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A network, e.g. scunext; see `profile`.")],
    data: DataOption,
    out: OutOption,
    preset: Annotated[str, typer.Option(help="paper: 400 epochs. fast: fewer.")] = "fast",
    epochs: Annotated[int | None, typer.Option(help="Instead of the preset's.")] = None,
    batch: Annotated[int | None, typer.Option(help="Instead of the preset's.")] = None,
    edge: Annotated[float | None, typer.Option(help="Weight of the edge term; 0: off.")] = None,
    size: Annotated[int, typer.Option(help="Side of the network's input, in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    precision: Annotated[str, typer.Option(help="fp32, or bf16 where it pays.")] = "bf16",
    option: Annotated[list[str] | None, typer.Option(help="Of the network: skip=false.")] = None,
    away_from: Annotated[
        Path | None, typer.Option(help="Data set whose test images must not be met in training.")
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
    from scunext_edge.training.start import Machine, start

    recipe = recipe_of(
        preset, epochs=epochs, batch=batch, edge=edge, size=size, seed=seed, precision=precision
    )
    with progress_bar() as advance:
        artifact = start(
            model,
            recipe=recipe,
            data=data,
            out=out,
            options=_options(option or []),
            away_from=away_from,
            resume=resume,
            machine=Machine(accelerator=accelerator, devices=devices, threads=threads),
            advance=advance,
        )
    training = artifact.card.details["training"]
    if as_json:
        print(json.dumps({"artifact": str(artifact.directory), "id": artifact.id, **training}))
        return
    print(
        f"{artifact.directory}: epoch {training['epoch']}, validation Dice "
        f"{training['val_dice']:.4f}, IoU {training['val_iou']:.4f}"
    )


def main() -> None:
    """Entry point: our own errors become one line and an exit code; bugs crash loudly."""
    try:
        app()
    except ScunextEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error


def _options(pairs: list[str]) -> dict[str, Any]:
    """``skip=false`` to ``{"skip": False}``."""
    parsed = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--option")
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError:
            parsed[name] = value
    return parsed
