"""``results.json`` is read by others: its keys stand, and its first form is read forever."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from scunext_edge.errors import ArtifactError
from scunext_edge.results import SCHEMA, Latency, Row, rows_from_json, to_json

STORED = Path(__file__).parent / "results"

ROW = [
    "model", "backend", "precision", "precision_ran", "quantizer", "device", "threads",
    "input_size", "params", "macs", "flops", "size_bytes", "status", "reason", "artifact_id",
    "output", "latency_ms", "memory_mb", "dice", "iou", "dice_drop", "dice_drop_upper", "iou_drop",
    "iou_drop_upper", "gate", "worst_image", "doubts",
]  # fmt: skip
BESIDE = ["precision_score", "recall"]  # the other two metrics; `precision` is the number format
SINCE_2 = [
    "stability", "stability_reasons", "scenario", "images_per_s", "findings", "cold_start_ms",
    "energy_mj", "limit_share", "bound_by",
]  # fmt: skip

MEASURED = Row(
    model="scunext",
    backend="onnxruntime",
    precision="int8",
    precision_ran="int8",
    quantizer="qdq",
    device="cpu",
    threads=1,
    input_size=256,
    params=249_480,
    macs=98_000_000,
    flops=196_000_000,
    size_bytes=310_000,
    status="ok",
    artifact_id="0123456789abcdef",
    latency_ms=Latency(region="compute", median=4.0, mad=0.1, p90=4.4, p99=5.0, n=300, processes=3),
    memory_mb=61.25,
    dice=0.85,
    iou=0.77,
    precision_score=0.9,
    recall=0.86,
    dice_drop=0.001,
    dice_drop_upper=0.002,
    iou_drop=0.0015,
    iou_drop_upper=0.0025,
    gate="passed",
    worst_image="ISIC_0000001",
    doubts=("values scatter by 6% of their median",),
)
SKIPPED = Row(
    model="unet",
    backend="tensorrt",
    precision="fp16",
    device="cpu",
    threads=1,
    input_size=256,
    status="skipped",
    reason="the tensorrt backend needs the package 'tensorrt', which is not installed",
)


def content(*rows):
    return to_json(
        rows,
        created="2026-03-01T10:00:00+00:00",
        tool={"name": "scunext-edge", "version": "0.1.0", "commit": None},
        environment={"cpu_model": "a processor"},
        data={"name": "synthetic", "split": "test", "images": 4, "hash": "0123456789abcdef"},
    )


def plain(row):
    texts = ("doubts", "findings", "stability_reasons")
    return replace(row, **{name: tuple(getattr(row, name)) for name in texts})


def through_json(data):
    return json.loads(json.dumps(data))


def test_the_top_level_and_the_rows_have_exactly_the_keys_that_were_promised():
    data = through_json(content(MEASURED))
    assert list(data) == ["schema", "created", "tool", "environment", "data", "rows"]
    assert data["schema"] == SCHEMA == 2
    assert sorted(data["rows"][0]) == sorted([*ROW, *BESIDE, *SINCE_2])
    assert list(data["rows"][0]["latency_ms"]) == [
        "region", "median", "mad", "p90", "p99", "n", "processes",
        "median_interval", "p90_interval", "p99_interval", "p99_bound",
    ]  # fmt: skip


def test_rows_come_back_as_they_were():
    found = rows_from_json(through_json(content(MEASURED, SKIPPED)))
    assert [plain(row) for row in found] == [MEASURED, SKIPPED]


def test_intervals_come_back_as_they_were():
    latency = replace(MEASURED.latency_ms, median_interval=(3.9, 4.1), p99_bound=6.0)
    sure = replace(MEASURED, latency_ms=latency, stability="stable", stability_reasons=("so",))
    assert plain(rows_from_json(through_json(content(sure)))[0]) == sure


def test_what_was_not_measured_is_null():
    row = through_json(content(SKIPPED))["rows"][0]
    unknown = {key for key, value in row.items() if value is None}
    assert unknown == {
        "precision_ran", "quantizer", "params", "macs", "flops", "size_bytes", "artifact_id",
        "latency_ms", "memory_mb", "dice", "iou", "precision_score", "recall", "dice_drop",
        "dice_drop_upper", "iou_drop", "iou_drop_upper", "gate", "worst_image", "stability",
        "images_per_s", "cold_start_ms", "energy_mj", "limit_share", "bound_by",
    }  # fmt: skip


def test_a_file_of_schema_1_is_read_forever():
    data = json.loads((STORED / "schema-1.results.json").read_text())
    measured, skipped = rows_from_json(data)
    assert [plain(measured), plain(skipped)] == [MEASURED, SKIPPED]
    assert sorted(data["rows"][0]) == sorted([*ROW, *BESIDE])


@pytest.mark.parametrize("schema", [0, 3, "1", None])
def test_an_unknown_schema_is_refused_by_its_number(schema):
    with pytest.raises(ArtifactError, match=f"results of schema {schema!r}; this version reads 2"):
        rows_from_json({**content(MEASURED), "schema": schema})


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("rows"),
        lambda data: data.update(rows=None),
        lambda data: data.update(rows=["row"]),
        lambda data: data["rows"][0].pop("model"),
        lambda data: data["rows"][0].update(surprise=1),
        lambda data: data["rows"][0]["latency_ms"].pop("mad"),
        lambda data: data["rows"][0].update(latency_ms=4.0),
    ],
)
def test_results_that_are_not_whole_are_refused(change):
    data = through_json(content(MEASURED))
    change(data)
    with pytest.raises(ArtifactError, match="incomplete"):
        rows_from_json(data)


def test_the_key_of_a_row_is_unique_within_a_run_and_fit_for_a_file_name():
    assert MEASURED.key == "scunext--onnxruntime--int8-qdq--cpu--256"
    assert SKIPPED.key == "unet--tensorrt--fp16--cpu--256"
    changes = [
        {"model": "unext"}, {"backend": "openvino"}, {"precision": "fp16"}, {"quantizer": "nncf"},
        {"quantizer": None}, {"device": "cuda"}, {"input_size": 512},
    ]  # fmt: skip
    keys = {replace(MEASURED, **change).key for change in changes}
    assert len(keys | {MEASURED.key}) == len(changes) + 1


def test_a_row_holds_plain_values_only():
    assert through_json(asdict(MEASURED))["doubts"] == list(MEASURED.doubts)
    assert {field.name for field in fields(Row)} == {*ROW, *BESIDE, *SINCE_2}
