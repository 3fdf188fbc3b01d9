from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scunext_edge.errors import ArtifactError
from scunext_edge.report.records import read_run
from scunext_edge.results import Row


@pytest.fixture
def run_dir(make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", all_rows)


def record_of(run_dir: Path, row: Row, kind: str) -> Path:
    region = f"--{row.latency_ms.region}" if kind == "measurement" and row.latency_ms else ""
    return run_dir / "records" / f"{row.key}{region}.{kind}.json"


def test_raw_values_and_scores_are_found_by_row(run_dir: Path, all_rows: list[Row]) -> None:
    run = read_run(run_dir)
    assert [len(part) for part in run.values_ns[all_rows[0].key]] == [20, 20, 20]
    assert run.dice[all_rows[1].key]["lesion_0005"] == pytest.approx(0.82)
    assert all_rows[5].key not in run.dice


def test_a_run_without_anything_optional_is_read(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    run = read_run(make_run(tmp_path, all_rows, whole=False))
    assert (run.values_ns, run.dice, list(run.pictures)) == ({}, {}, [])
    assert run.command is None
    assert [row.key for row in run.rows] == [row.key for row in all_rows]


def test_a_folder_without_results_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"results\.json does not exist"):
        read_run(tmp_path)


def test_results_that_lack_a_field_say_so(run_dir: Path) -> None:
    path = run_dir / "results.json"
    content = json.loads(path.read_text())
    del content["rows"][0]["model"]
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="incomplete") as caught:
        read_run(run_dir)
    assert caught.value.hint


def test_a_record_of_another_artifact_is_refused(run_dir: Path, all_rows: list[Row]) -> None:
    path = record_of(run_dir, all_rows[0], "measurement")
    content = json.loads(path.read_text())
    content["subject"]["artifact_id"] = "other"
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="about artifact other"):
        read_run(run_dir)


def test_a_record_of_another_schema_is_refused(run_dir: Path, all_rows: list[Row]) -> None:
    path = record_of(run_dir, all_rows[0], "evaluation")
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
    with pytest.raises(ArtifactError, match="schema 9"):
        read_run(run_dir)


def test_a_missing_picture_is_named(run_dir: Path) -> None:
    (run_dir / "pictures" / "lesion_0005.truth.png").unlink()
    with pytest.raises(ArtifactError, match=r"lesion_0005\.truth\.png is missing"):
        read_run(run_dir)


def test_the_index_may_not_point_outside(run_dir: Path) -> None:
    index = run_dir / "pictures" / "index.json"
    index.write_text(index.read_text().replace("lesion_0005.image.jpg", "../results.json"))
    with pytest.raises(ArtifactError, match="outside"):
        read_run(run_dir)


def test_an_older_run_gets_its_intervals_from_its_raw_values(
    run_dir: Path, all_rows: list[Row]
) -> None:
    path = run_dir / "results.json"
    content = json.loads(path.read_text())
    for row in content["rows"]:
        if row["latency_ms"]:
            row["latency_ms"] |= {"median_interval": None}
        row |= {"stability": None, "stability_reasons": []}
    path.write_text(json.dumps(content))
    assert read_run(run_dir).rows[0].stability is None  # a run of today said null on purpose
    path.write_text(json.dumps({**content, "schema": 1}))
    row = read_run(run_dir).rows[0]
    assert row.latency_ms is not None
    assert row.latency_ms.median == 21.0
    assert row.latency_ms.median_interval is not None
    low, high = row.latency_ms.median_interval
    assert low < 21.0 < high
    assert row.stability == "inconclusive"
    assert row.stability_reasons == ("3 processes; 5 are needed to know how they differ",)
