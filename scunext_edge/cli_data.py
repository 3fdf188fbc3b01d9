"""``scunext-edge data``: check, split and fetch images."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="Check, split and fetch images and masks.", no_args_is_help=True)

FolderArgument = Annotated[Path, typer.Argument(help="Folder of images and masks.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data, not prose.")]


@app.command()
def check(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Find missing pairs, wrong masks and near-duplicates; exit code 1 if there are any."""
    from scunext_edge.data.check import check as checked
    from scunext_edge.progress import progress_bar
    from scunext_edge.tables import finding_table

    with progress_bar() as advance:
        findings = checked(folder, progress=lambda done, of: advance("images", done, of))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    elif findings:
        finding_table(findings)
    else:
        print(f"{folder}: nothing wrong found")
    raise typer.Exit(1 if findings else 0)


@app.command()
def split(
    folder: FolderArgument,
    val: Annotated[float, typer.Option(help="Share of the images.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the images.")] = 0.2,
    calibration: Annotated[int, typer.Option(help="Number, drawn from train.")] = 128,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Default: split.json in the folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw train, val, test and, over all lesion sizes, calibration; look-alikes stay together."""
    from scunext_edge.data.calibration import lesion_areas
    from scunext_edge.data.datasets import open_dataset
    from scunext_edge.data.duplicates import near_duplicates
    from scunext_edge.data.splits import make_split, save_split
    from scunext_edge.progress import progress_bar

    dataset = open_dataset(folder)
    with progress_bar() as advance:
        pairs = near_duplicates(dataset, progress=lambda done, of: advance("images", done, of))
        areas = lesion_areas(dataset, progress=lambda done, of: advance("masks", done, of))
    drawn = make_split(
        dataset,
        val=val,
        test=test,
        calibration=calibration,
        seed=seed,
        keep_together=[(first, second) for first, second, _ in pairs],
        areas=areas,
    )
    target = out or folder / "split.json"
    save_split(target, drawn)
    counts = {name: len(getattr(drawn, name)) for name in ("train", "val", "test", "calibration")}
    if as_json:
        print(json.dumps({"split": str(target), "hash": drawn.hash, **counts}))
        return
    print(f"{target}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))


@app.command()
def fetch(
    name: Annotated[Literal["isic2018", "isic2017"], typer.Argument(help="Which data set.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    as_json: JsonOption = False,
) -> None:
    """Download an official data set (gigabytes; goes on where it stopped)."""
    from scunext_edge.data.fetch import fetch as fetched

    found = fetched(name, out)
    print(json.dumps(asdict(found), default=str) if as_json else found.licence)
