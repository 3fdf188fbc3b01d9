"""One row of ``results.json``: a model on an engine, as others read it. Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from scunext_edge.errors import ArtifactError

# 1: first form
SCHEMA = 1

Status = Literal["ok", "skipped", "failed"]
GateResult = Literal["passed", "failed", "reference"]
Region = Literal["compute", "transfer", "end_to_end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds of one region over all values of all processes; mad is the median deviation."""

    region: Region
    median: float
    mad: float
    p90: float
    p99: float
    n: int
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A model on an engine. ``None`` means not measured; never a guess."""

    model: str
    backend: str
    precision: str  # asked for
    precision_ran: str | None = None  # what the engine says it ran
    quantizer: str | None = None
    device: str
    threads: int
    input_size: int
    params: int | None = None
    macs: int | None = None
    flops: int | None = None  # 2 x macs
    size_bytes: int | None = None
    status: Status
    reason: str | None = None  # why it was skipped or failed
    artifact_id: str | None = None
    output: str = "logits"
    latency_ms: Latency | None = None
    memory_mb: float | None = None  # peak resident set of a process of its own, over its imports
    dice: float | None = None  # mean over images
    iou: float | None = None
    precision_score: float | None = None  # TP / (TP + FP), mean over images
    recall: float | None = None
    dice_drop: float | None = None  # FP32 reference minus this row, paired per image
    dice_drop_upper: float | None = None
    iou_drop: float | None = None
    iou_drop_upper: float | None = None
    gate: GateResult | None = None
    worst_image: str | None = None  # the image that lost most Dice (reference: lowest Dice)
    doubts: Sequence[str] = field(default_factory=tuple)

    @property
    def key(self) -> str:
        """A name for this row that is unique within a run and fit for a file name."""
        quantizer = f"-{self.quantizer}" if self.quantizer else ""
        return (
            f"{self.model}--{self.backend}--{self.precision}{quantizer}"
            f"--{self.device}--{self.input_size}"
        )


def to_json(
    rows: Sequence[Row],
    *,
    created: str,
    tool: dict[str, Any],
    environment: dict[str, Any],
    data: dict[str, Any],
) -> dict[str, Any]:
    """The content of ``results.json``."""
    return {
        "schema": SCHEMA,
        "created": created,
        "tool": tool,
        "environment": environment,
        "data": data,
        "rows": [asdict(row) for row in rows],
    }


def rows_from_json(content: dict[str, Any]) -> list[Row]:
    """Read the rows back. An unknown schema, or fields that are not its, is an ArtifactError."""
    if content.get("schema") != SCHEMA:
        raise ArtifactError(
            f"results of schema {content.get('schema')!r}; this version reads {SCHEMA}",
            hint="they were written by another version of scunext-edge",
        )
    try:
        return [_row(fields) for fields in content["rows"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"the results are incomplete: {error!r}",
            hint="run `scunext-edge bench` again with the same --out",
        ) from error


def _row(fields: dict[str, Any]) -> Row:
    latency = fields.get("latency_ms")
    return Row(**{**fields, "latency_ms": Latency(**latency) if latency else None})
