"""``bench``, ``report`` and ``compare``: parse, call one function, print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from scunext_edge.cli_options import JsonOption, OutOption, options


def bench(
    models: Annotated[
        list[str] | None, typer.Argument(help="Names or artifacts; default: the four networks.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="Images and masks; default: drawn ones.")
    ] = None,
    out: OutOption = Path("runs/bench"),
    backend: Annotated[
        list[str] | None, typer.Option("--backend", "-b", help="Repeatable; default: all.")
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option("--precision", "-p", help="fp32, fp16, int8; repeatable.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="default, full, a scenario, or the path of a TOML file.")
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            help="single-stream, offline, clinic, burst, soak: the suite of that name, or with "
            "--suite, instead of that suite's."
        ),
    ] = None,
    interval: Annotated[
        float | None, typer.Option(min=0, help="clinic, burst: seconds between two arrivals.")
    ] = None,
    part: Annotated[str, typer.Option(help="Which part of --data is scored.")] = "test",
    images: Annotated[int, typer.Option(min=2, help="Without --data: how many are drawn.")] = 48,
    size: Annotated[
        int | None, typer.Option(help="Side of the input; default: as trained.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="Instead of the suite's.")] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Values per process, at least; no time budget then.")
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            min=0, help="Seconds of values per process, at least; as above. Of a soak: all."
        ),
    ] = None,
    max_cv: Annotated[
        float | None,
        typer.Option(help="Fail (exit code 5) unless latencies are stable: processes within this."),
    ] = None,
    gate: Annotated[
        list[str] | None, typer.Option(help="METRIC=LARGEST_DROP; repeatable; default dice=0.005.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the bound that the gate looks at.")] = 0.95,
    experiments: Annotated[
        list[Path] | None,
        typer.Option(
            help="Results file of `experiment`: accuracy of networks without weights; repeatable."
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Of the images, for the report.")] = None,
    remote: Annotated[
        list[str] | None,
        typer.Option(help="Measure there, over SSH: user@host, or @FILE of them; repeatable."),
    ] = None,
    remote_python: Annotated[
        str | None, typer.Option(help="The Python there; default: the first that will do.")
    ] = None,
    remote_jobs: Annotated[int, typer.Option(min=1, help="Machines at a time.")] = 4,
    keep_remote: Annotated[
        bool, typer.Option("--keep-remote", help="Leave the work folders there.")
    ] = False,
    ssh_config: Annotated[
        Path | None, typer.Option(help="For ssh, instead of your own configuration.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export, time, score and gate networks on every engine; write the report. The main job.

    With --remote the times are those of other machines, side by side, and nothing is scored.
    """
    from scunext_edge.benchmarks.verdict import MAX_CV
    from scunext_edge.evaluation.gate import DEFAULT_LIMITS
    from scunext_edge.pipeline import bench as pipeline
    from scunext_edge.pipeline.forms import OFFERED
    from scunext_edge.pipeline.settings import DEFAULT_PRECISIONS, Settings
    from scunext_edge.pipeline.subjects import DEFAULT_MODELS
    from scunext_edge.progress import progress_bar

    settings = Settings(
        out=out,
        suite=_suite(
            suite or _suite_of(scenario),
            scenario=scenario,
            threads=threads,
            values=iterations,
            duration_s=duration,
            interval_s=interval,
        ),
        models=tuple(models or DEFAULT_MODELS),
        backends=tuple(backend or OFFERED),
        precisions=tuple(precision or DEFAULT_PRECISIONS),
        data=data,
        part=part,
        drawn=images,
        size=size,
        device=device,
        limits=_limits(gate) if gate else DEFAULT_LIMITS,
        confidence=confidence,
        max_cv=MAX_CV if max_cv is None else max_cv,
        wants_stable=max_cv is not None,
        trainings=_trainings(experiments or []),
        licence=licence,
        command=("scunext-edge", *sys.argv[1:]),
    )
    if remote:
        fleet = _fleet(remote, remote_python, remote_jobs, keep_remote, ssh_config)
        _bench_remote(settings, fleet, as_json)
    with progress_bar() as advance:
        outcome = pipeline.bench(settings, advance=advance)
    print(json.dumps(outcome.content) if as_json else bench_summary(outcome))
    raise typer.Exit(outcome.exit_code)


def _fleet(
    remote: list[str], python: str | None, jobs: int, keep: bool, config: Path | None
) -> Any:
    from scunext_edge.pipeline.remote.hosts import hosts
    from scunext_edge.pipeline.remote.settings import Fleet

    return Fleet(hosts=hosts(remote), python=python, jobs=jobs, keep=keep, config=config)


def _bench_remote(settings: Any, fleet: Any, as_json: bool) -> NoReturn:
    from scunext_edge.pipeline.remote.bench import bench_remote
    from scunext_edge.progress import progress_bar

    with progress_bar() as advance:
        outcome = bench_remote(settings, fleet, advance=advance)
    if as_json:
        print(json.dumps(outcome.content))
    else:
        print(outcome.markdown.read_text(encoding="utf-8"))
        print(outcome.markdown)
    raise typer.Exit(outcome.exit_code)


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders that `bench` wrote; several make one page.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write to; default: the run's.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Several runs in the order of time.")
    ] = False,
) -> None:
    """Write a run's tables and pages again; of several runs, devices side by side or a history."""
    from scunext_edge.errors import ConfigError
    from scunext_edge.report.write import write_joint, write_report

    if len(runs) == 1 and not history:
        files = write_report(runs[0], out)
        print("\n".join(files.lines))
        return
    if out is None and len(runs) > 1:
        raise ConfigError("several runs have no folder in common", hint="name one with --out")
    print("\n".join(write_joint(runs, out or runs[0], over_time=history).lines))


def compare(
    run_a: Annotated[Path, typer.Argument(help="What `bench` wrote before: a folder or a record.")],
    run_b: Annotated[Path, typer.Argument(help="What it wrote afterwards.")],
    min_effect: Annotated[
        float, typer.Option(help="A smaller change is no difference, as a share.")
    ] = 0.03,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(help="A threshold as median:10% or p99:0.5ms; repeatable; means --gate."),
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit code 1 if a row became slower, 5 if unclear.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Compare rows whose conditions differ, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Is B faster than A? Each row's ratio with its interval, or why nothing can be said."""
    from scunext_edge.benchmarks.compare import threshold
    from scunext_edge.pipeline.compare import compare_runs
    from scunext_edge.tables import compare_table

    outcome = compare_runs(
        run_a,
        run_b,
        min_effect=min_effect,
        confidence=confidence,
        thresholds=[threshold(text) for text in fail_if or []],
        gated=gate or bool(fail_if),
        force=force,
    )
    if as_json:
        print(json.dumps(outcome.to_json()))
    else:
        compare_table(outcome)
    raise typer.Exit(outcome.exit_code)


def layers(
    model: str, backend: str, precision: str, device: str, threads: int, runs: int, as_json: bool
) -> None:
    """``profile --backend``: the time of each layer beside its work and its limit."""
    from dataclasses import asdict

    from scunext_edge.benchmarks.layers import profile_layers
    from scunext_edge.tables import layer_tables
    from scunext_edge.weights.shipped import deployed

    artifact = deployed(model, backend=backend, precision=precision)
    found = profile_layers(artifact, backend, device=device, threads=threads, runs=runs)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    layer_tables(found)


def _trainings(files: list[Path]) -> tuple[dict[str, Any], ...]:
    """What each results file of an experiment says of networks, read before anything is done."""
    from scunext_edge.experiments.accuracy import accuracy_of

    return tuple(accuracy_of(path) for path in files)


def _suite_of(scenario: str | None) -> str:
    """The suite that ships for a scenario; a word that is none is refused with the suite."""
    from scunext_edge.benchmarks.suite import SUITES

    return scenario if scenario in SUITES else "default"


def _suite(name: str, **asked: Any) -> Any:
    """The suite, with what was asked for instead of its own; minimums lift its time budget."""
    from dataclasses import replace

    from scunext_edge.benchmarks.suite import load_suite

    changes = {key: value for key, value in asked.items() if value is not None}
    if {"values", "duration_s"} & set(changes):
        changes["budget_s"] = None
    return replace(load_suite(name), **changes)


def _limits(pairs: list[str]) -> dict[str, float]:
    """``dice=0.005`` to ``{"dice": 0.005}``."""
    limits = {}
    for name, value in options(pairs, of="--gate").items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise typer.BadParameter(f"{value!r} is no number", param_hint="--gate")
        limits[name] = float(value)
    return limits


def bench_summary(outcome: Any) -> str:
    """The verdict in words, then where the report is."""
    page = outcome.files.html or outcome.files.html_reason
    return f"{outcome.verdict}\n\nreport: {page}\n        {outcome.files.markdown}"
