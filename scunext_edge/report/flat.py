"""The rows and their raw values flat, for spreadsheets and data frames: CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

from scunext_edge.report.records import Run
from scunext_edge.results import Latency, Row
from scunext_edge.storage import new_file

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


def to_csv(rows: Sequence[Row]) -> str:
    """One line per row; an empty cell was not measured."""
    stream, types = io.StringIO(), column_types()
    lists = [name for name, kind in types.items() if kind == "list"]
    writer = csv.DictWriter(stream, list(types), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        line = _flat(row)
        writer.writerow({**line, **{name: "; ".join(line[name]) for name in lists}})
    return stream.getvalue()


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Parquet with the columns of the CSV; null was not measured. Needs pyarrow."""
    lines, types = [_flat(row) for row in rows], column_types()
    _write(path, {name: [line.get(name) for line in lines] for name in types}, types)


def write_values(path: Path, run: Run) -> None:
    """Parquet with a line per timed call: key of the row, process, index in it, nanoseconds."""
    types = {"key": "string", "process": "int32", "index": "int32", "ns": "int64"}
    lines = list(_values(run))
    _write(path, {name: [line[at] for line in lines] for at, name in enumerate(types)}, types)


def column_types() -> dict[str, str]:
    """The columns in their order, and what is in them: string, int64, float64 or list."""
    rows, latency = get_type_hints(Row), get_type_hints(Latency)
    found = {"key": "string"}
    for field in fields(Row):
        if field.name == "latency_ms":
            found |= {column: _type(latency[name]) for name, column in _LATENCY_COLUMNS.items()}
            found |= {end: "float64" for of in _INTERVALS for end in _ends(of)}
        else:
            found[field.name] = _type(rows[field.name])
    return found


def _type(hint: Any) -> str:
    words = str(hint)
    if "Sequence" in words:
        return "list"
    if "float" in words:
        return "float64"
    return "int64" if "int" in words else "string"


def _ends(of: str) -> tuple[str, str]:
    return f"latency_{of}_low_ms", f"latency_{of}_high_ms"


def _flat(row: Row) -> dict[str, Any]:
    flat: dict[str, Any] = {"key": row.key, **asdict(row)}
    del flat["latency_ms"]
    if latency := row.latency_ms:
        flat |= {column: getattr(latency, name) for name, column in _LATENCY_COLUMNS.items()}
        for of in _INTERVALS:
            ends = getattr(latency, f"{of}_interval") or (None, None)
            flat |= dict(zip(_ends(of), ends, strict=True))
    return flat


def _values(run: Run) -> Iterator[tuple[str, int, int, int]]:
    for key, processes in run.values_ns.items():
        for process, values in enumerate(processes):
            for index, value in enumerate(values):
                yield key, process, index, value


def _write(path: Path, columns: Mapping[str, Sequence[Any]], types: Mapping[str, str]) -> None:
    import pyarrow
    from pyarrow import parquet

    def typed(name: str) -> Any:
        if types[name] == "list":
            return pyarrow.list_(pyarrow.string())
        return getattr(pyarrow, types[name])()

    arrays = {name: pyarrow.array(values, typed(name)) for name, values in columns.items()}
    with new_file(path) as temporary:
        parquet.write_table(pyarrow.table(arrays), temporary, compression="zstd")
