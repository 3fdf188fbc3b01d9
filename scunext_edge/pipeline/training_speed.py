"""How fast training is, against a plain step and against what the device could do at most.

Fresh processes in interleaved rounds, one record; each process measures its own limit.

Run it on a quiet machine: ``python -m scunext_edge.pipeline.training_speed --out FILE.json``. The
table goes to stdout and, as Markdown, beside the record.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.benchmarks.passport import conditions, machine
from scunext_edge.errors import BackendUnavailable, require
from scunext_edge.progress import Advance, progress_bar
from scunext_edge.provenance import tool
from scunext_edge.storage import write_json, write_text

# 2: ``memory_bytes`` and ``least`` of a cell, what follows in the summary; ``accelerator``
# 1: first form
SCHEMA = 2
WORKER = "scunext_edge.training.speed"
KINDS = ("plain", "fp32", "bf16", "loader")  # what is done with a batch; loader: nothing
_MOST_LOADER = 0.05  # of a step
_FOREIGN_CORES = 0.2  # other processes may use this many cores unmentioned


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is timed, and how often."""

    models: tuple[str, ...] = ("unext", "scunext")
    threads: tuple[int, ...] = (1, 2)
    rounds: int = 5
    warmup: int = 5
    steps: int = 20  # per process
    batch: int = 8
    size: int = 256
    accelerator: str = "cpu"  # or cuda
    seed: int = 0  # of the order within a round


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Our step for one network, threads and precision. Ratios are of the medians of one round."""

    model: str
    threads: int
    precision: str
    plain_images_s: float
    images_s: float
    ratio: float  # median over rounds
    ratio_least: float
    ratio_most: float
    loader_share: float  # of loader and step together, within the run
    loader_ms: float  # a batch, within the run
    loader_alone_ms: float  # a batch, in a process that does nothing else
    plain_memory_bytes: int | None  # at most held at a time, beside what was imported
    memory_bytes: int | None
    flops_per_s: float  # of convolutions and matrix products
    peak_share: float  # of the rate of a large matrix product in the same process
    limit_share: float  # 1: no step that runs these operations one after another can be faster
    bound_by: str  # what the limit is mostly made of: compute or memory


def measure(settings: Settings, *, advance: Advance = lambda what, done, of: None) -> Any:
    """Time every cell in every round; returns the record."""
    require("torch", "torch", needed_for="training")
    if settings.accelerator == "cuda":
        _check_gpu()
    jobs = list(_jobs(settings))
    cells = []
    for done, job in enumerate(jobs):
        cells.append({**job, **_timed(job)})
        advance("processes", done + 1, len(jobs))
    return {
        "schema": SCHEMA,
        "kind": "training-speed",
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "tool": tool(),
        "machine": machine(),
        "settings": asdict(settings),
        "summary": [asdict(row) for row in summarize(settings, cells)],
        "doubts": doubts(settings, cells),
        "cells": cells,
    }


def _check_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        raise BackendUnavailable("torch sees no GPU here", hint="--accelerator cpu")


def summarize(settings: Settings, cells: Sequence[dict[str, Any]]) -> list[Summary]:
    """What the raw nanoseconds of all cells come to."""
    return [
        _summary(model, threads, precision, settings, cells)
        for model in settings.models
        for threads in settings.threads
        for precision in ("fp32", "bf16")
    ]


def doubts(settings: Settings, cells: Sequence[dict[str, Any]]) -> list[str]:
    """Reasons not to believe the numbers, in words."""
    found = []
    busiest = max((cell["foreign_cores"] for cell in cells if cell["foreign_cores"]), default=0.0)
    if busiest > _FOREIGN_CORES:
        found.append(f"other processes kept up to {busiest:.1f} cores busy meanwhile")
    if settings.rounds < 5:
        found.append(f"{settings.rounds} rounds; a publishable number has 5")
    for row in summarize(settings, cells):
        subject = f"{row.model}, {row.precision}, threads {row.threads}"
        if row.loader_share > _MOST_LOADER:
            found.append(f"{subject}: the loader takes {row.loader_share:.1%} of the time")
        if row.ratio_most - row.ratio_least > 0.1 * row.ratio:
            found.append(f"{subject}: the ratios of the rounds lie more than 10 % apart")
    return found


def to_markdown(record: Any) -> str:
    """The summary as a table, with the machine above it and the doubts below."""
    settings = record["settings"]
    lines = [
        "# Speed of training",
        "",
        f"{_device(record)}, torch "
        f"{record['cells'][0]['torch']}; {settings['size']} x {settings['size']} pixels, batch "
        f"{settings['batch']}, {settings['rounds']} rounds of fresh processes, "
        f"{settings['steps']} steps each.",
        "",
        "| network | threads | precision | plain, images/s | ours, images/s "
        "| ratio (least to most) | loader, share | loader, ms | loader alone, ms |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['model']} | {row['threads']} | {row['precision']} "
        f"| {row['plain_images_s']:.1f} | {row['images_s']:.1f} "
        f"| {row['ratio']:.2f} ({row['ratio_least']:.2f} to {row['ratio_most']:.2f}) "
        f"| {row['loader_share']:.1%} | {row['loader_ms']:.1f} | {row['loader_alone_ms']:.1f} |"
        for row in record["summary"]
    ]
    lines += ["", *_limits(record["summary"])]
    lines += ["", *(f"- {doubt}" for doubt in record["doubts"] or ["No doubts."]), ""]
    return "\n".join(lines)


def _device(record: Any) -> str:
    machine = record["machine"]
    cpu = f"{machine['cpu_model']}, {machine['cores_logical']} logical cores"
    on_gpu = record["settings"]["accelerator"] == "cuda"
    return f"{machine['gpu_name'] or 'a GPU'} on {cpu}" if on_gpu else cpu


def _limits(summary: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Memory, and how near a step comes to what the device could do."""
    yield (
        "Memory is the most that a process held at a time beside what it had imported (on a GPU, "
        "what torch had allocated). The limit is the sum over a step's operations of the longer "
        "of two times: their products at the rate of a large matrix product, and their bytes at "
        "the speed of a copy, both measured in the same process."
    )
    yield ""
    yield (
        "| network | threads | precision | memory, plain, MB | memory, MB | GFLOP/s "
        "| of a matrix product | of the limit | limit bound by |"
    )
    yield "|---|---:|---|---:|---:|---:|---:|---:|---|"
    for row in summary:
        yield (
            f"| {row['model']} | {row['threads']} | {row['precision']} "
            f"| {_megabytes(row['plain_memory_bytes'])} | {_megabytes(row['memory_bytes'])} "
            f"| {row['flops_per_s'] / 1e9:.1f} | {row['peak_share']:.1%} "
            f"| {row['limit_share']:.1%} | {row['bound_by']} |"
        )


def _megabytes(value: int | None) -> str:
    return "n/a" if value is None else f"{value / 1e6:.0f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the record and its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON; the table goes beside it")
    parser.add_argument("--threads", type=int, action="append", help="repeatable; default 1 and 2")
    parser.add_argument("--model", action="append", help="repeatable; default unext and scunext")
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu")
    for name in ("rounds", "warmup", "steps", "batch", "size", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings(), name))
    asked = vars(parser.parse_args(arguments))
    out, models, threads = asked.pop("out"), asked.pop("model"), asked.pop("threads")
    settings = Settings(
        models=tuple(models or Settings().models),
        threads=tuple(threads or Settings().threads),
        **asked,
    )
    with progress_bar() as advance:
        record = measure(settings, advance=advance)
    write_json(out, record)
    write_text(out.with_suffix(".md"), to_markdown(record))
    sys.stdout.write(to_markdown(record))


def _jobs(settings: Settings) -> Iterator[dict[str, Any]]:
    """Round after round, so that drift of the machine hits all alike."""
    order = random.Random(settings.seed)
    for number in range(settings.rounds):
        cases = [
            {"model": model, "threads": threads, "kind": kind, "round": number}
            for model in settings.models
            for threads in settings.threads
            for kind in KINDS
        ]
        order.shuffle(cases)
        amounts = ("warmup", "steps", "batch", "size", "accelerator")
        yield from ({**case, **{n: getattr(settings, n) for n in amounts}} for case in cases)


def _timed(job: dict[str, Any]) -> dict[str, Any]:
    """One cell in a fresh process, and how busy others kept the machine meanwhile."""
    before, mine = conditions(), os.times()
    env = {"OMP_NUM_THREADS": str(job["threads"])}
    times = isolate.call(WORKER, job, env=env)
    after, now = conditions(), os.times()
    own = sum(now[:4]) - sum(mine[:4])  # this process and the children that it has waited for
    passed = after["monotonic_s"] - before["monotonic_s"]
    known = before["cpu_busy_s"] is not None
    busy = after["cpu_busy_s"] - before["cpu_busy_s"] if known else None
    foreign = max(0.0, busy - own) / passed if busy is not None else None
    return {**times, "before": before, "after": after, "foreign_cores": foreign}


def _summary(
    model: str,
    threads: int,
    precision: str,
    settings: Settings,
    cells: Sequence[dict[str, Any]],
) -> Summary:
    mine = [cell for cell in cells if (cell["model"], cell["threads"]) == (model, threads)]
    plain, ours, loader = (
        [cell for cell in mine if cell["kind"] == kind] for kind in ("plain", precision, "loader")
    )
    ratios = [
        statistics.median(one["step_ns"]) / statistics.median(other["step_ns"])
        for one in plain
        for other in ours
        if one["round"] == other["round"]
    ]
    step, within = _median(ours, "step_ns"), _median(ours, "loader_ns")
    return Summary(
        model=model,
        threads=threads,
        precision=precision,
        plain_images_s=settings.batch * 1e9 / _median(plain, "step_ns"),
        images_s=settings.batch * 1e9 / step,
        ratio=statistics.median(ratios),
        ratio_least=min(ratios),
        ratio_most=max(ratios),
        loader_share=within / (within + step),
        loader_ms=within / 1e6,
        loader_alone_ms=_median(loader, "loader_ns") / 1e6,
        plain_memory_bytes=_most_memory(plain),
        memory_bytes=_most_memory(ours),
        **_against_limit(ours, precision),
    )


def _most_memory(cells: Sequence[dict[str, Any]]) -> int | None:
    return max((it["memory_bytes"] for it in cells if it["memory_bytes"] is not None), default=None)


def _against_limit(cells: Sequence[dict[str, Any]], precision: str) -> dict[str, Any]:
    """Each process's step against what the same process found; medians over processes."""
    steps = [statistics.median(cell["step_ns"]) for cell in cells]
    limits = [cell["least"] for cell in cells]
    rates = [1e9 * it["flops"] / step for it, step in zip(limits, steps, strict=True)]
    peaks = [it["flops_per_s"][precision] for it in limits]
    compute, memory = (
        statistics.median(it[f"{what}_ns"] for it in limits) for what in ("compute", "memory")
    )
    return {
        "flops_per_s": statistics.median(rates),
        "peak_share": statistics.median(a / b for a, b in zip(rates, peaks, strict=True)),
        "limit_share": statistics.median(
            (it["compute_ns"] + it["memory_ns"]) / step
            for it, step in zip(limits, steps, strict=True)
        ),
        "bound_by": "compute" if compute >= memory else "memory",
    }


def _median(cells: Sequence[dict[str, Any]], name: str) -> float:
    return float(statistics.median(value for cell in cells for value in cell[name]))


if __name__ == "__main__":
    main()
