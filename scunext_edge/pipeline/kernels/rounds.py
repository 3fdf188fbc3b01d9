"""Rounds over engines that are all open: each in turn runs a burst, in an order drawn anew."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from scunext_edge.benchmarks.passport import conditions
from scunext_edge.errors import ScunextEdgeError
from scunext_edge.pipeline.kernels.companion import Asked, companion
from scunext_edge.pipeline.kernels.files import Files, missing
from scunext_edge.pipeline.kernels.settings import REFERENCE, Form, Group, Settings

Start = Callable[[Mapping[str, Any], Mapping[str, str]], AbstractContextManager[Asked]]
Advanced = Callable[[], None]

INCLUDES = {True: "uint8 image to score", False: "network only, float logits"}
_LEAST_RUNS, _MOST_RUNS = 3, 100
# What oneDNN, of which OpenVINO is made, calls the sets of our engine
_ONEDNN = {
    "avx2": "AVX2",
    "avx2vnni": "AVX2_VNNI",
    "avx512": "AVX512_CORE",
    "avx512vnni": "AVX512_CORE_VNNI",
}


def measure_group(
    group: Group,
    settings: Settings,
    files: Files,
    *,
    isa: str,
    folder: Path,
    start: Start = companion,
    advanced: Advanced = lambda: None,
) -> dict[str, Any]:
    """``rows``, ``missing`` and ``foreign_cores`` of one network, size and number of threads.

    ``isa`` is what native runs on; with ``settings.isa`` OpenVINO is held to it, too.
    """
    rows: list[dict[str, Any]] = []
    absent: list[dict[str, Any]] = []
    crashed: dict[Form, ScunextEdgeError] = {}
    with ExitStack() as stack:
        asked = []
        for form in settings.forms:
            try:
                job = _job(group, form, files, isa, folder)
                asked.append((form, stack.enter_context(start(job, _env(form, settings)))))
            except ScunextEdgeError as error:
                absent.append(missing(form, error, **group._asdict()))
        ready = []
        for form, child in asked:
            try:
                rows.append(_row(group, form, child.opened(), settings))
                ready.append((rows[-1], child))
            except ScunextEdgeError as error:
                absent.append(missing(form, error, **group._asdict()))
        foreign = _rounds(ready, crashed, settings, str(group), advanced)
        absent += [missing(form, error, **group._asdict()) for form, error in crashed.items()]
        rows = [row for row in rows if _form(row) not in crashed]
        _compare(rows, group, folder)
    return {
        "rows": [_summed(row) for row in rows],
        "missing": absent,
        "foreign_cores": foreign,
    }


def cpus(threads: int) -> list[int]:
    """As many as there are threads, each of a core of its own where that can be told."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    cores: dict[str, int] = {}
    for cpu in allowed:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.setdefault(topology.read_text(encoding="ascii").strip(), cpu)
        except OSError:
            cores[str(cpu)] = cpu
    chosen = list(cores.values())[:threads]
    return chosen if len(chosen) == threads else allowed[:threads]


def _job(group: Group, form: Form, files: Files, isa: str, folder: Path) -> dict[str, Any]:
    return {
        **group._asdict(),
        **form._asdict(),
        "file": str(files.path(form)),
        "isa": isa,
        "mask": str(_mask(group, form, folder)),
        "cpus": cpus(group.threads),
    }


def _form(row: Mapping[str, Any]) -> Form:
    return Form(row["engine"], row["precision"], row["variant"])


def _mask(group: Group, form: Form, folder: Path) -> Path:
    return folder / ("-".join(str(it) for it in (*group, *form)) + ".mask")


def _env(form: Form, settings: Settings) -> dict[str, str]:
    held = settings.isa in _ONEDNN and form.engine == "openvino"
    return {"ONEDNN_MAX_CPU_ISA": _ONEDNN[str(settings.isa)]} if held else {}


def _row(group: Group, form: Form, opened: dict[str, Any], settings: Settings) -> dict[str, Any]:
    typical_ms = opened.pop("typical_ns") / 1e6
    runs = int(settings.burst_ms / typical_ms) if typical_ms else _MOST_RUNS
    return {
        **group._asdict(),
        **form._asdict(),
        "includes": INCLUDES[form.engine == "native"],
        **opened,
        "runs_per_round": min(_MOST_RUNS, max(_LEAST_RUNS, runs)),
        "rounds": 0,
        "cores_used": 0.0,
        "values_ns": [],
    }


def _rounds(
    ready: Sequence[tuple[dict[str, Any], Asked]],
    crashed: dict[Form, ScunextEdgeError],
    settings: Settings,
    name: str,
    advanced: Advanced,
) -> float | None:
    """Fill the rows; returns how many cores others kept busy meanwhile.

    An engine that dies is noted in ``crashed`` and asked no more.
    """
    order = random.Random(f"{settings.seed}-{name}")
    before, own = conditions(), os.times()
    children: dict[int, list[float]] = {}
    for _ in range(settings.rounds):
        for row, child in order.sample(list(ready), len(ready)):
            if _form(row) in crashed:
                continue
            time.sleep(settings.pause_ms / 1e3)
            try:
                answer = child.burst(row["runs_per_round"])
            except ScunextEdgeError as error:
                crashed[_form(row)] = error
                continue
            row["values_ns"].append(answer["values_ns"])
            row["rounds"] += 1
            row["cores_used"] = max(row["cores_used"], answer["cores_used"])
            children.setdefault(id(child), []).append(answer["cpu_s"])
        advanced()
    after, now = conditions(), os.times()
    used = sum(now[:2]) - sum(own[:2]) + sum(it[-1] - it[0] for it in children.values())
    if before["cpu_busy_s"] is None:
        return None
    busy = float(after["cpu_busy_s"] - before["cpu_busy_s"]) - used
    return max(0.0, busy) / float(after["monotonic_s"] - before["monotonic_s"])


def _compare(rows: Sequence[dict[str, Any]], group: Group, folder: Path) -> None:
    """How many pixels of each mask are those of the reference: an engine that errs is seen."""
    reference = _mask(group, REFERENCE, folder)
    for row in rows:
        row["same_pixels"] = None
        if reference.exists():
            one, other = (
                np.frombuffer(path.read_bytes(), np.uint8)
                for path in (reference, _mask(group, _form(row), folder))
            )
            row["same_pixels"] = 1 - int(np.unpackbits(one ^ other).sum()) / group.size**2


def _summed(row: dict[str, Any]) -> dict[str, Any]:
    """The summary first, the raw values last."""
    values = [value / 1e6 for burst in row["values_ns"] for value in burst]
    raw = row.pop("values_ns")
    return {
        **row,
        "ms_min": min(values),
        "ms_median": statistics.median(values),
        "values_ns": raw,
    }
