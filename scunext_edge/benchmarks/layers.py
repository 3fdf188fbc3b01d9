"""Where the time of one network goes on one engine, layer by layer, beside what bounds it.

``python -m scunext_edge.benchmarks.layers`` is the child's side; see :func:`work`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scunext_edge import artifacts, isolate
from scunext_edge.artifacts import Artifact
from scunext_edge.benchmarks import costs, roofline
from scunext_edge.benchmarks.costs import Graph, Layer
from scunext_edge.benchmarks.roofline import Bound, Limit, Roofline, layer_limit
from scunext_edge.errors import BackendMissing, ConfigError
from scunext_edge.runtime.layers import Kernel, dominant, original_names
from scunext_edge.runtime.registry import backend_module, open_profiled

WORKER = "scunext_edge.benchmarks.layers"
WARMUP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTime:
    """One layer, or one kernel of the engine that belongs to none. Null: not known.

    ``matched`` is false for what the engine runs and does not say what of the network it is.
    """

    name: str
    op: str
    precision: str | None = None
    macs: int | None = None
    moved_bytes: int | None = None
    time_ms: float | None = None  # median over runs of all its kernels; null: none is known
    limit_ms: float | None = None
    limit_share: float | None = None
    bound_by: Bound | None = None
    matched: bool = True
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProfile:
    """Times of ``layers`` and ``between_ms`` add up to ``total_ms``, a median of all runs.

    ``between_ms`` is what the engine's profiler does not account for: starting kernels, handing
    over the input and the result, and its own cost. Limits of the whole are null where one layer's
    is.
    """

    model: str
    backend: str
    backend_version: str
    device: str
    threads: int
    precision: str
    precision_ran: str | None
    size: int
    runs: int
    total_ms: float
    between_ms: float
    limit_ms: float | None
    limit_share: float | None
    bound_by: Bound | None
    layers: tuple[LayerTime, ...]
    kernels: tuple[Kernel, ...]
    machine: Roofline


def profile_layers(
    artifact: Artifact, backend: str, *, device: str = "cpu", threads: int = 1, runs: int = 50
) -> LayerProfile:
    """Profile one image in a fresh process; errors are those of ``registry.open_profiled``.

    The work of layers is counted in the artifact's own ONNX file where it has one, else told by
    the engine; without onnx the former is null.
    """
    if runs < 1:
        raise ConfigError(f"{runs} runs tell nothing", hint="use 1 or more")
    job = {
        "artifact": str(artifact.directory),
        "backend": backend,
        "device": device,
        "threads": threads,
        "runs": runs,
    }
    answer = isolate.call(WORKER, job, env=isolate.thread_limits(threads))
    kernels = tuple(_kernel(it) for it in answer["kernels"])
    ran = dominant(kernels)
    machine = roofline.calibrate()
    layers = account(kernels, _graph_layers(artifact, ran), machine, threads=threads)
    total_ms = statistics.median(answer["totals_ns"]) / 1e6
    whole = _sum(layers, machine, threads)
    return LayerProfile(
        model=artifact.card.model,
        backend=backend,
        backend_version=answer["backend_version"],
        device=device,
        threads=threads,
        precision=artifact.card.precision,
        precision_ran=ran,
        size=artifact.spec.size,
        runs=runs,
        total_ms=total_ms,
        between_ms=total_ms - sum(it.time_ms or 0.0 for it in layers),
        limit_ms=None if whole is None else whole.total_ms,
        limit_share=None if whole is None else whole.total_ms / total_ms,
        bound_by=None if whole is None else whole.bound(total_ms),
        layers=layers,
        kernels=kernels,
        machine=machine,
    )


def account(
    kernels: Sequence[Kernel],
    graph: Sequence[Layer] | None,
    machine: Roofline,
    *,
    threads: int = 1,
) -> tuple[LayerTime, ...]:
    """Give every kernel's time to its layer of ``graph``, in the order of the graph.

    Kernels of no layer follow, each for itself. Where the engine tells the bytes of its own plan,
    or there is no graph, kernels are the layers.
    """
    if graph is None or any(it.moved_bytes is not None for it in kernels):
        return tuple(_timed(_of_kernel(it), [it], machine, threads) for it in kernels)
    owners = {name: layer.name for layer in reversed(graph) for name in layer.names}
    owned: dict[str, list[Kernel]] = {layer.name: [] for layer in graph}
    lost: list[Kernel] = []
    for kernel in kernels:
        owner = _owner(kernel, owners)
        (lost if owner is None else owned[owner]).append(kernel)
    found = [_timed(_of_layer(it), owned[it.name], machine, threads) for it in graph]
    unmatched = [LayerTime(name=it.name, op=it.op, matched=False) for it in lost]
    return (
        *found,
        *(_timed(it, [of], machine, threads) for it, of in zip(unmatched, lost, strict=True)),
    )


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Run ``artifact`` with its engine's profiler on; the warm-up is left out."""
    artifact = artifacts.load(Path(job["artifact"]))
    backend = job["backend"]
    profiled = open_profiled(artifact, backend, device=job["device"], threads=job["threads"])
    size = artifact.spec.size
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    profiled.put({"image": pixels})
    totals = []
    for _ in range(WARMUP + job["runs"]):
        start = time.perf_counter_ns()
        profiled.execute()
        totals.append(time.perf_counter_ns() - start)
    kernels = [asdict(it) for it in profiled.kernels()]
    profiled.close()
    version, _devices = backend_module(backend).offers()
    for kernel in kernels:
        kernel["times_ns"] = kernel["times_ns"][WARMUP:]
    return {"totals_ns": totals[WARMUP:], "kernels": kernels, "backend_version": version}


def _graph_layers(artifact: Artifact, ran: str | None) -> tuple[Layer, ...] | None:
    if artifact.card.format != "onnx":
        return None
    graph = Graph(artifact.file(".onnx"), ran or artifact.card.precision)
    try:
        (layers,) = costs.count([graph])
    except BackendMissing:
        return None
    return layers


def _kernel(fields: Mapping[str, Any]) -> Kernel:
    lists = {name: tuple(fields[name]) for name in ("times_ns", "parts")}
    return Kernel(**{**fields, **lists})


def _owner(kernel: Kernel, owners: Mapping[str, str]) -> str | None:
    """The layer that the kernel says it is a part of; the first of its names that is known."""
    names = (name for part in kernel.parts for name in original_names(part))
    return next((owners[name] for name in names if name in owners), None)


def _of_layer(layer: Layer) -> LayerTime:
    return LayerTime(
        name=layer.name,
        op=layer.op,
        precision=layer.precision,
        macs=layer.macs,
        moved_bytes=layer.bytes_of(1),
    )


def _of_kernel(kernel: Kernel) -> LayerTime:
    return LayerTime(
        name=kernel.name,
        op=kernel.op,
        precision=kernel.precision,
        macs=kernel.macs,
        moved_bytes=kernel.moved_bytes,
    )


def _timed(
    layer: LayerTime, kernels: Sequence[Kernel], machine: Roofline, threads: int
) -> LayerTime:
    """``layer`` with the time of its kernels, and what that is of its limit."""
    layer = replace(layer, kernels=tuple(it.name for it in kernels))
    if kernels:
        runs = zip(*(it.times_ns for it in kernels), strict=True)
        layer = replace(layer, time_ms=statistics.median(sum(it) for it in runs) / 1e6)
    limit = _limit(layer, machine, threads)
    if limit is None:
        return layer
    layer = replace(layer, limit_ms=limit.total_ms)
    if not layer.time_ms:
        return layer
    share, bound_by = limit.total_ms / layer.time_ms, limit.bound(layer.time_ms)
    return replace(layer, limit_share=share, bound_by=bound_by)


def _limit(layer: LayerTime, machine: Roofline, threads: int) -> Limit | None:
    if layer.moved_bytes is None:
        return None
    precision = layer.precision or "fp32"  # of something that multiplies nothing
    return layer_limit(layer.macs or 0, layer.moved_bytes, precision, machine, threads=threads)


def _sum(layers: Iterable[LayerTime], machine: Roofline, threads: int) -> Limit | None:
    """The limit of the whole. What no layer is known for needs no time: it could be left out."""
    parts = [_limit(it, machine, threads) for it in layers if it.matched]
    known = [it for it in parts if it is not None]
    if not known or any(it.macs and it.limit_ms is None for it in layers):
        return None
    return Limit(
        compute_ms=sum(it.compute_ms for it in known),
        memory_ms=sum(it.memory_ms for it in known),
    )


if __name__ == "__main__":
    isolate.serve(work)
