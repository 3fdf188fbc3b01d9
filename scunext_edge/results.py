"""One row of ``results.json``: a model on an engine, as others read it. Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from scunext_edge.errors import ArtifactError

# 1: first form
# 2: intervals and bound in ``latency_ms``; ``scenario``, ``images_per_s``, ``findings``,
#    ``stability`` and its reasons, ``cold_start_ms``, ``energy_mj``, ``limit_share``,
#    ``bound_by``. What an older file lacks is null, so 1 is still read.
SCHEMA = 2
OLDEST = 1

Status = Literal["ok", "skipped", "failed"]
GateResult = Literal["passed", "failed", "reference"]
Region = Literal["compute", "transfer", "end_to_end"]
Stability = Literal["stable", "unstable", "inconclusive"]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds of one region over all values of all processes; mad is the median deviation.

    Intervals have 95 % confidence, the bound 99 % (:mod:`scunext_edge.benchmarks.intervals`);
    null: too few processes or values to say.
    """

    region: Region
    median: float
    mad: float
    p90: float
    p99: float
    n: int
    processes: int
    median_interval: Interval | None = None
    p90_interval: Interval | None = None
    p99_interval: Interval | None = None
    p99_bound: float | None = None


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
    stability: Stability | None = None  # whether the latency may be believed
    stability_reasons: Sequence[str] = field(default_factory=tuple)
    scenario: str = "single-stream"
    images_per_s: float | None = None  # offline: throughput
    findings: Sequence[str] = field(default_factory=tuple)  # what a scenario is for, in words
    cold_start_ms: float | None = None  # process start to first mask, median
    energy_mj: float | None = None  # millijoule per image
    limit_share: float | None = None  # of what this machine could do; 1: no faster is possible
    bound_by: str | None = None  # compute, memory or overhead
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
    if content.get("schema") not in range(OLDEST, SCHEMA + 1):
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
    return Row(**{**fields, "latency_ms": _latency(latency) if latency else None})


def _latency(fields: dict[str, Any]) -> Latency:
    intervals = {
        name: tuple(value)
        for name, value in fields.items()
        if name.endswith("_interval") and value is not None
    }
    return Latency(**{**fields, **intervals})
