"""The rows of a run as a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from scunext_edge.pipeline.folders.station import COLUMNS, Row
from scunext_edge.storage import new_file, on_disk

_ROWS_AT_ONCE = 4096


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write ``rows`` whole or not at all; few are held at a time. Needs pyarrow."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, _type(kind)) for name, kind in COLUMNS.items()])
    with new_file(path) as temporary:
        with parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
            _write(writer, schema, rows)
        on_disk(temporary)


def _write(writer: Any, schema: Any, rows: Iterable[Row]) -> None:
    import pyarrow

    for part in _parts(iter(rows)):
        told = [{name: _cell(value) for name, value in row.items()} for row in part]
        writer.write_table(pyarrow.Table.from_pylist(told, schema))


def _parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while part := list(islice(rows, _ROWS_AT_ONCE)):
        yield part


def _cell(value: Any) -> Any:
    """Parquet holds UTF-8; a byte of a file's name that is none becomes a backslash and a code."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _type(kind: str) -> Any:
    import pyarrow

    if kind == "list":
        return pyarrow.list_(pyarrow.string())
    return getattr(pyarrow, kind)()
