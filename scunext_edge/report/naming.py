"""How a row is called in a sentence, in a table and in a figure; and which row it answers to."""

from __future__ import annotations

from collections.abc import Sequence

from scunext_edge.results import Row


def full_name(row: Row) -> str:
    """The row in a sentence: ``scunext INT8 qdq on openvino``."""
    return f"{row.model} {precision_name(row)} on {engine_name(row)}"


def short_name(row: Row) -> str:
    """The row where its model is named elsewhere: ``openvino INT8 qdq``."""
    return f"{engine_name(row)} {precision_name(row)}"


def precision_name(row: Row) -> str:
    """The precision asked for, and how it was quantized."""
    return f"{row.precision.upper()} {row.quantizer}" if row.quantizer else row.precision.upper()


def engine_name(row: Row) -> str:
    """The engine; the device only where it is not the CPU."""
    return row.backend if row.device == "cpu" else f"{row.backend} ({row.device})"


def regions(rows: Sequence[Row]) -> str:
    """The regions that were timed, in words."""
    found = {row.latency_ms.region for row in rows if row.latency_ms}
    return " / ".join(sorted(region.replace("_", " ") for region in found))


def models_of(rows: Sequence[Row]) -> list[str]:
    """Model names in the order in which they appear."""
    return list(dict.fromkeys(row.model for row in rows))


def by_model(rows: Sequence[Row]) -> str:
    """Many rows in few words: ``scunext on torch FP32, openvino INT8 qdq; unext on torch FP32``."""
    return "; ".join(
        f"{model} on {', '.join(short_name(row) for row in rows if row.model == model)}"
        for model in models_of(rows)
    )


def reference_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The row that the gate compared with: the reference of the same model and input size."""
    for other in rows:
        if other.gate == "reference" and _same_network(other, row) and other.key != row.key:
            return other
    return None


def baseline_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """FP32 to compare with: on the same engine where it ran, else the gate's reference."""
    for other in rows:
        if (
            other.status == "ok"
            and other.precision == "fp32"
            and (other.backend, other.device) == (row.backend, row.device)
            and _same_network(other, row)
            and other.key != row.key
        ):
            return other
    return reference_of(row, rows)


def _same_network(one: Row, other: Row) -> bool:
    return (one.model, one.input_size) == (other.model, other.input_size)
