"""The time of everything that an engine runs, by its own profiler. Knows no engine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scunext_edge.runtime.precision import Census, Work
from scunext_edge.spec import Arrays

# What engines add to the name of a node or tensor when they change its layout or copy it
_ADDED = re.compile(r"(_nchwc|_token_\d+|_original)$")
_KERNEL = "_kernel_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One thing that an engine runs; null: the engine does not tell."""

    name: str  # the engine's own, unique
    op: str
    times_ns: tuple[int, ...]  # in every run, in order
    parts: tuple[str, ...] = ()  # nodes and tensors of the ONNX graph that it says it stands for
    precision: str | None = None  # of what it multiplies
    macs: int | None = None
    moved_bytes: int | None = None  # by the engine's own plan


class Profiled(Protocol):
    """A model that was opened to be profiled, which slows it down; nothing else is timed on it."""

    def put(self, inputs: Arrays) -> None:
        """As :meth:`Runner.put`."""

    def execute(self) -> None:
        """As :meth:`Runner.execute`; the times of this run are kept."""

    def kernels(self) -> tuple[Kernel, ...]:
        """All runs so far, kernels in the order of the engine. Ends the profile."""

    def close(self) -> None:
        """As :meth:`Runner.close`."""


def dominant(kernels: Iterable[Kernel]) -> str | None:
    """The precision of most multiplications."""
    work = (
        Work(name=it.name, precision=it.precision, macs=it.macs)
        for it in kernels
        if it.precision is not None and it.macs
    )
    return Census(work=tuple(work)).dominant


def original_names(part: str) -> tuple[str, ...]:
    """What a name that an engine gives may have been in the graph, the likeliest first."""
    whole = part.split("/")[0]
    return tuple(dict.fromkeys((part, whole, _ADDED.sub("", whole))))


def from_runs(
    runs: Sequence[Sequence[tuple[str, str, int]]], told: Mapping[str, Mapping[str, Any]]
) -> tuple[Kernel, ...]:
    """Kernels from (name, op, nanoseconds) of run after run; what has one name is one kernel.

    ``told``: further fields of :class:`Kernel` by name.
    """
    times: dict[str, list[int]] = {}
    ops: dict[str, str] = {}
    for index, run in enumerate(runs):
        for name, op, time_ns in run:
            times.setdefault(name, [0] * len(runs))[index] += time_ns
            ops[name] = op
    return tuple(
        Kernel(name=name, op=ops[name], times_ns=tuple(it), **told.get(name, {}))
        for name, it in times.items()
    )


def onnxruntime_runs(
    events: Iterable[Mapping[str, Any]],
) -> tuple[list[list[tuple[str, str, int]]], dict[str, Mapping[str, Any]]]:
    """Runs for :func:`from_runs`, and the arguments of each kernel's first event by its name.

    ``events`` are those of ONNX Runtime's profile, in microseconds; every node has several events,
    of which that of its kernel alone counts.
    """
    spans = []
    nodes = []
    for event in events:
        if event["name"] == "model_run":
            spans.append((event["ts"], event["ts"] + event["dur"]))
        elif event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            nodes.append(event)
    runs: list[list[tuple[str, str, int]]] = [[] for _ in spans]
    arguments: dict[str, Mapping[str, Any]] = {}
    for event in nodes:
        name, given = event["name"].removesuffix(_KERNEL), event["args"]
        for run, (start, end) in zip(runs, spans, strict=True):
            if start <= event["ts"] <= end:
                run.append((name, given["op_name"], 1000 * event["dur"]))
        arguments.setdefault(name, given)
    return runs, arguments
