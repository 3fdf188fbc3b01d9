"""How near each row is to what this machine could do, and what holds it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks import costs, roofline
from scunext_edge.benchmarks.costs import Graph, Layer
from scunext_edge.benchmarks.roofline import Limit, Roofline
from scunext_edge.errors import ArtifactError, BackendError
from scunext_edge.pipeline.entries import Entry
from scunext_edge.pipeline.forms import kept_onnx
from scunext_edge.results import Row


def with_limits(
    rows: Sequence[Row], entries: Sequence[Entry], out: Path
) -> tuple[tuple[Row, ...], dict[str, Any] | None]:
    """The rows with ``limit_share`` and ``bound_by``, and what they rest on, for ``results.json``.

    ``entries`` belong to the rows one by one. A row stays null where its limit is not known: on a
    GPU, for ``end_to_end``, without onnx or an ONNX form of the network, in a precision whose rate
    was never measured.
    """
    graphs = {
        row.key: graph
        for row, entry in zip(rows, entries, strict=True)
        if (graph := _graph(row, entry, out / "artifacts"))
    }
    if not graphs:
        return tuple(rows), None
    try:
        machine = roofline.measured(out / "records")
        counted = _count(graphs.values())
    except BackendError:  # onnx is missing, or a child died
        return tuple(rows), None
    limits = {}
    for row, entry in zip(rows, entries, strict=True):
        layers = counted.get(graphs[row.key]) if row.key in graphs else None
        if layers and (found := _limit(layers, machine, entry)):
            limits[row.key] = found
    told = {"machine": asdict(machine), "limits": {key: asdict(it) for key, it in limits.items()}}
    return tuple(_judged(row, limits.get(row.key)) for row in rows), told


def _graph(row: Row, entry: Entry, artifacts: Path) -> Graph | None:
    """What the row computed; null: it has no limit that could be told."""
    latency = row.latency_ms
    if row.status != "ok" or latency is None or latency.region == "end_to_end":
        return None
    if not row.device.startswith("cpu"):
        return None
    is_int8 = row.precision == "int8" and row.quantizer != "nncf"
    try:
        onnx = kept_onnx(entry.subject, artifacts, is_int8=is_int8)
    except ArtifactError:
        return None
    precision = row.precision_ran or row.precision
    return Graph(onnx.file(".onnx"), precision) if onnx is not None else None


def _count(graphs: Any) -> Mapping[Graph, tuple[Layer, ...] | None]:
    wanted = list(dict.fromkeys(graphs))
    return dict(zip(wanted, costs.count(wanted), strict=True))


def _limit(layers: tuple[Layer, ...], machine: Roofline, entry: Entry) -> Limit | None:
    assert entry.record is not None, "a row with a latency has a record"
    subject = entry.record.subject
    return roofline.limit(layers, machine, threads=subject.threads, images=subject.batch)


def _judged(row: Row, limit: Limit | None) -> Row:
    if limit is None or row.latency_ms is None:
        return row
    measured = row.latency_ms.median
    return replace(row, limit_share=limit.total_ms / measured, bound_by=limit.bound(measured))
