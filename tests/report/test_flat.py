from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scunext_edge.report.flat import column_types, to_csv, write_rows, write_values
from scunext_edge.report.records import read_run
from scunext_edge.results import Latency, Row


def test_every_field_of_a_row_has_a_typed_column() -> None:
    types = column_types()
    assert types["threads"] == "int64"
    assert types["latency_n"] == "int64"
    assert types["latency_p99_bound_ms"] == types["latency_median_low_ms"] == "float64"
    assert types["gate"] == types["latency_region"] == "string"
    assert types["doubts"] == types["stability_reasons"] == "list"


def test_the_csv_holds_intervals_and_stability(
    make_row: Callable[..., Row], make_latency: Callable[..., Latency]
) -> None:
    row = make_row("scunext", "native", "fp32", stability_reasons=("a", "b"), energy_mj=1.5)
    (line,) = csv.DictReader(io.StringIO(to_csv([row])))
    assert float(line["latency_median_high_ms"]) == pytest.approx(10.2)
    assert (line["stability"], line["stability_reasons"]) == ("stable", "a; b")
    assert (line["energy_mj"], line["latency_p99_bound_ms"]) == ("1.5", "")


def test_parquet_holds_the_same_columns_and_null_where_nothing_was_measured(
    make_row: Callable[..., Row], tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    row = make_row("scunext", "native", "fp32", doubts=("one", "two"))
    path = tmp_path / "results.parquet"
    write_rows(path, [row, replace(row, latency_ms=None, dice=None)])
    found = parquet.read_table(path)
    assert found.column_names == list(column_types())
    first, second = found.to_pylist()
    assert (first["key"], first["latency_median_ms"], first["latency_n"]) == (row.key, 10.0, 100)
    assert first["doubts"] == ["one", "two"]
    assert (second["latency_median_ms"], second["latency_n"], second["dice"]) == (None, None, None)
    assert [file.name for file in tmp_path.iterdir()] == ["results.parquet"]


def test_a_file_of_no_rows_keeps_its_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_rows(tmp_path / "none.parquet", [])
    assert parquet.read_table(tmp_path / "none.parquet").column_names == list(column_types())


def test_raw_values_are_lines_of_row_process_index_and_nanoseconds(
    whole_run: Path, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = read_run(whole_run)
    write_values(tmp_path / "values.parquet", run)
    lines = parquet.read_table(tmp_path / "values.parquet").to_pylist()
    key = run.rows[1].key
    mine = [line for line in lines if line["key"] == key]
    assert [line["ns"] for line in mine if line["process"] == 2] == list(run.values_ns[key][2])
    assert [line["index"] for line in mine[:20]] == list(range(20))
    assert len(lines) == sum(len(part) for it in run.values_ns.values() for part in it)
