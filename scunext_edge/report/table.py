"""The rows as cells of text, for every form of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from scunext_edge.benchmarks.stats import ENOUGH_VALUES_FOR_P99
from scunext_edge.report import numbers
from scunext_edge.results import Latency, Row

Text = Callable[[Row], str | None]
Kind = Literal["number", "ran", "stability", "gate", "doubts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the large table; ``below`` is a second, smaller line of the same cell."""

    head: str
    text: Text
    below: Text | None = None
    group: str = ""
    kind: Kind = "number"


def latency_text(latency: Latency) -> str:
    """``0.574 (0.561 to 0.588)``, in milliseconds; without an interval the median alone."""
    ends = interval(latency)
    return f"{median(latency)} ({ends})" if ends else median(latency)


def p50(row: Row) -> str | None:
    """The median with its interval."""
    return latency_text(row.latency_ms) if row.latency_ms else None


def p99(row: Row) -> str | None:
    """Where there are values enough; else the bound below which it lies, or nothing."""
    latency = row.latency_ms
    if latency is None:
        return None
    if latency.n >= ENOUGH_VALUES_FOR_P99:
        return numbers.milliseconds(latency.p99)
    if latency.p99_bound is not None:
        return f"< {numbers.milliseconds(latency.p99_bound)}"
    return None


def limit(row: Row) -> str | None:
    """How much of what the machine could do, and what stands in the way."""
    share = _limit_share(row)
    return f"{share} ({row.bound_by})" if share and row.bound_by else share


def columns(rows: Sequence[Row]) -> list[Column]:
    """Those columns in which any of these rows has something to say."""
    return [it for it in _COLUMNS if any(it.text(row) is not None for row in rows)]


def _of_latency(text: Callable[[Latency], str | None]) -> Text:
    return lambda row: text(row.latency_ms) if row.latency_ms else None


def _number(name: str, text: Callable[[float], str]) -> Text:
    def shown(row: Row) -> str | None:
        value = getattr(row, name)
        return None if value is None else text(value)

    return shown


def median(latency: Latency) -> str:
    """With the decimals that its interval asks for."""
    if latency.median_interval is None:
        return numbers.milliseconds(latency.median)
    return numbers.within(latency.median, *latency.median_interval)[0]


def interval(latency: Latency) -> str | None:
    """The 95 % interval of the median: ``0.561 to 0.588``."""
    if latency.median_interval is None:
        return None
    return " to ".join(numbers.within(latency.median, *latency.median_interval)[1:])


def _at_most(name: str) -> Text:
    """A bound below a drop."""
    bound = _number(name, numbers.drop)
    return lambda row: f"\N{LESS-THAN OR EQUAL TO} {text}" if (text := bound(row)) else None


def _limit_share(row: Row) -> str | None:
    return None if row.limit_share is None else f"{row.limit_share:.0%}"


def ran(row: Row) -> str | None:
    """The precision that the engine says it ran."""
    return row.precision_ran.upper() if row.precision_ran else None


size = _number("size_bytes", numbers.size)
spread = _of_latency(lambda it: numbers.with_spread(it.median, it.mad))
p90 = _of_latency(lambda it: numbers.milliseconds(it.p90))
count = _of_latency(lambda it: f"{it.n:,} / {it.processes}")
cold_start = _number("cold_start_ms", numbers.milliseconds)
energy = _number("energy_mj", numbers.milliseconds)
memory = _number("memory_mb", numbers.milliseconds)
dice = _number("dice", numbers.score)
iou = _number("iou", numbers.score)
dice_drop = _number("dice_drop", numbers.drop)
dice_drop_upper = _number("dice_drop_upper", numbers.drop)
iou_drop = _number("iou_drop", numbers.drop)
iou_drop_upper = _number("iou_drop_upper", numbers.drop)

_COLUMNS = (
    Column(head="ran", text=ran, kind="ran"),
    Column(head="size", text=size),
    Column(
        head="p50",
        text=_of_latency(median),
        below=_of_latency(interval),
        group="latency, ms",
    ),
    Column(head="p90", text=p90, group="latency, ms"),
    Column(head="p99", text=p99, group="latency, ms"),
    Column(head="n / proc.", text=count, group="latency, ms"),
    Column(head="stability", text=lambda row: row.stability, kind="stability"),
    Column(head="images/s", text=_number("images_per_s", numbers.milliseconds)),
    Column(head="cold start, ms", text=cold_start),
    Column(head="energy, mJ", text=energy),
    Column(head="memory, MB", text=memory),
    Column(head="of the limit", text=_limit_share, below=lambda row: row.bound_by),
    Column(head="mean", text=dice, group="Dice"),
    Column(head="drop", text=dice_drop, below=_at_most("dice_drop_upper"), group="Dice"),
    Column(head="mean", text=iou, group="IoU"),
    Column(head="drop", text=iou_drop, below=_at_most("iou_drop_upper"), group="IoU"),
    Column(head="gate", text=lambda row: row.gate, kind="gate"),
    Column(
        head="doubts", text=lambda row: str(len(row.doubts)) if row.doubts else None, kind="doubts"
    ),
)
