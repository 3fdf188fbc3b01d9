"""``scunext-edge experiment``: many trainings that answer one question."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scunext_edge.cli_options import JsonOption
from scunext_edge.errors import ConfigError, require

if TYPE_CHECKING:
    from scunext_edge.experiments.plan import Plan, Trial
    from scunext_edge.experiments.run import Settings, State
    from scunext_edge.progress import Advance

TO_SCORE = "to score"  # it is trained to its end


def experiment(
    what: Annotated[
        str,
        typer.Argument(
            help="table1, ablation, recipe, recipe-grid, fixed, lungs, presets, FILE.toml; or a "
            "results file."
        ),
    ],
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="Folder of images and masks.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the trials.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="paper, fast, reduced or FILE.toml. Default: fast.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Results file; default: OUT/results.json.")
    ] = None,
    models: Annotated[str | None, typer.Option(help="Only these rows: scunext,unext.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only trials of such names: 'scunext/*'.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials at a time.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of a trial; default: cores / workers.")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    devices: Annotated[int, typer.Option(min=1, help="Of each trial; more than one is DDP.")] = 1,
    address: Annotated[
        str | None, typer.Option(help="Ray: HOST:PORT or auto; local: Ray on this machine.")
    ] = None,
    cpus: Annotated[
        float | None, typer.Option(min=0, help="Ray: cores that a trial asks for.")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(min=0, help="Ray: GPUs that a trial asks for; 0.5: half.")
    ] = None,
    other_code: Annotated[
        str, typer.Option(help="Trials made by other code: ask, keep or redo.")
    ] = "ask",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the rows of a table on every split, test and account; goes on where it stopped."""
    if what.endswith(".json"):
        _write_text(Path(what), as_json)
        return
    if data is None or out is None:
        raise typer.BadParameter("it needs --data and --out", param_hint="--data, --out")
    require("torch", "torch", needed_for="an experiment")
    from scunext_edge.experiments.run import Settings, look, run
    from scunext_edge.progress import progress_bar

    if other_code not in ("ask", "keep", "redo"):
        raise ConfigError(f"--other-code is ask, keep or redo, not {other_code!r}")
    threads = threads or max(1, (os.cpu_count() or 1) // workers)
    settings = Settings(
        out=out,
        record=record or out / "results.json",
        workers=workers,
        threads=threads,
        address=address,
        cpus=threads * devices if cpus is None else cpus,
        gpus=devices * float(accelerator == "cuda") if gpus is None else gpus,
        accelerator=accelerator,
        other_code=other_code,  # type: ignore[arg-type]
    )
    with progress_bar() as advance:
        plan = _plan(what, protocol, data, out, devices, advance)
        wanted = plan.only(only or [], models.split(",") if models else [])
        if not dry_run:
            try:
                run(plan, wanted, settings, advance=advance)
            finally:
                if settings.record.exists():
                    _write_text(settings.record, None)
    if dry_run:
        _show(look(plan, wanted, settings), settings, as_json)
    else:
        _write_text(settings.record, as_json)


def _plan(
    what: str, protocol: str | None, data: Path, out: Path, devices: int, advance: Advance
) -> Plan:
    from scunext_edge.experiments.plan import make_plan
    from scunext_edge.experiments.protocol import open_protocol, protocol_of
    from scunext_edge.experiments.question import open_question

    question, own = open_question(what)
    if protocol is None and isinstance(own, dict):
        chosen = protocol_of(own, name=question.name)
    else:
        chosen = open_protocol(protocol or (own if isinstance(own, str) else "fast"))
    return make_plan(
        question,
        chosen,
        data,
        store=out,
        devices=devices,
        progress=lambda done, of: advance("comparing", done, of),
    )


def _write_text(record: Path, as_json: bool | None) -> None:
    """The text beside a results file, and on stdout unless ``as_json`` is null."""
    from scunext_edge.experiments.results import load_results
    from scunext_edge.experiments.text import told, written
    from scunext_edge.storage import write_text

    found = load_results(record)
    text = written(found)
    write_text(record.with_suffix(".md"), text)
    if as_json is not None:
        print(json.dumps(told(found)) if as_json else text)


def _show(state: State, settings: Settings, as_json: bool) -> None:
    """The plan: every trial with what is left of it."""
    rows: list[dict[str, Any]] = [_row(state, trial) for trial in state.wanted]
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        took = "" if row["seconds"] is None else f", about {row['seconds'] / 60:.0f} min"
        print(f"{row['name']:28} {row['key']}  {row['state']}, {row['images']} to train{took}")
    known = [row["seconds"] for row in rows if row["seconds"] is not None]
    left = [row for row in rows if row["images"]]
    print(f"{len(left)} of {len(rows)} trials to make, {sum(r['images'] for r in left)} images")
    if trained := sum(row["state"] == TO_SCORE for row in rows):
        print(f"{trained} more to score alone")
    if known and len(known) == len(rows):
        print(f"about {sum(known) / 3600 / settings.workers:.1f} h with {settings.workers} workers")
    elif left:
        sys.stderr.write("how long that takes is known once a trial of each network is finished\n")


def _row(state: State, trial: Trial) -> dict[str, Any]:
    epochs, begun = trial.recipe.epochs, state.begun.get(trial.key, 0)
    done = trial.key in state.done
    return {
        "name": trial.name,
        "key": trial.key,
        "state": "done" if done else f"epoch {begun} of {epochs}" if begun < epochs else TO_SCORE,
        "images": 0 if done else (epochs - begun) * len(trial.cut.split.train),
        "seconds": 0 if done else state.seconds(trial),
    }
