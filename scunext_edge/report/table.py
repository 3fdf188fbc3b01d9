"""The rows as cells of text, for every form of the report, and as a flat CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from scunext_edge.report import numbers
from scunext_edge.results import Latency, Row

_LATENCY_COLUMNS = {
    "region": "latency_region",
    "median": "latency_median_ms",
    "mad": "latency_mad_ms",
    "p90": "latency_p90_ms",
    "p99": "latency_p99_ms",
    "n": "latency_n",
    "processes": "latency_processes",
    "p99_bound": "latency_p99_bound_ms",
}
_INTERVALS = ("median", "p90", "p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """What a table shows of a row; ``None`` where it was not measured."""

    ran: str | None
    size: str | None
    median: str | None
    p90: str | None
    p99: str | None
    values: str | None
    memory: str | None
    dice: str | None
    iou: str | None
    dice_drop: str | None
    dice_drop_upper: str | None
    iou_drop: str | None
    iou_drop_upper: str | None


def cells(row: Row) -> Cells:
    """Format a row's numbers."""
    latency = row.latency_ms
    return Cells(
        ran=row.precision_ran.upper() if row.precision_ran else None,
        size=_if(row.size_bytes, numbers.size),
        median=numbers.with_spread(latency.median, latency.mad) if latency else None,
        p90=numbers.milliseconds(latency.p90) if latency else None,
        p99=numbers.milliseconds(latency.p99) if latency else None,
        values=f"{latency.n:,} / {latency.processes}" if latency else None,
        memory=_if(row.memory_mb, numbers.milliseconds),
        dice=_if(row.dice, numbers.score),
        iou=_if(row.iou, numbers.score),
        dice_drop=_if(row.dice_drop, numbers.drop),
        dice_drop_upper=_if(row.dice_drop_upper, numbers.drop),
        iou_drop=_if(row.iou_drop, numbers.drop),
        iou_drop_upper=_if(row.iou_drop_upper, numbers.drop),
    )


def to_csv(rows: Sequence[Row]) -> str:
    """One line per row; an empty cell was not measured."""
    stream = io.StringIO()
    names = [name for field in fields(Row) for name in _columns(field.name)]
    writer = csv.DictWriter(stream, ["key", *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(row) for row in rows)
    return stream.getvalue()


def _columns(name: str) -> list[str]:
    if name != "latency_ms":
        return [name]
    ends = [column for of in _INTERVALS for column in _ends(of)]
    return [*_LATENCY_COLUMNS.values(), *ends]


def _ends(of: str) -> tuple[str, str]:
    return f"latency_{of}_low_ms", f"latency_{of}_high_ms"


def _flat(row: Row) -> dict[str, Any]:
    flat: dict[str, Any] = {"key": row.key, **asdict(row)}
    flat |= {name: "; ".join(flat[name]) for name in ("doubts", "findings", "stability_reasons")}
    del flat["latency_ms"]
    latency = row.latency_ms
    if isinstance(latency, Latency):
        flat |= {column: getattr(latency, name) for name, column in _LATENCY_COLUMNS.items()}
        for of in _INTERVALS:
            ends = getattr(latency, f"{of}_interval") or (None, None)
            flat |= dict(zip(_ends(of), ends, strict=True))
    return flat


def _if(value: float | None, text: Any) -> str | None:
    return None if value is None else str(text(value))
