"""Devices side by side: a cell says what was measured there, or why nothing was."""

from __future__ import annotations

import dataclasses
import json

import pytest

from scunext_edge.pipeline.remote.page import device_matrix, to_markdown, write_page
from scunext_edge.report.records import read_run
from scunext_edge.results import Latency, Row, to_json
from scunext_edge.storage import write_json


def make_row(precision, **changes):
    fields = {
        "model": "unext", "backend": "native", "precision": precision, "device": "cpu",
        "threads": 1, "input_size": 256, "status": "ok",
    }  # fmt: skip
    return Row(**{**fields, **changes})


def make_latency(median, **more):
    return Latency(
        region="compute", median=median, mad=0.1, p90=median, p99=median, n=9, processes=5, **more
    )


def make_run(folder, rows):
    """A run's folder without records."""
    content = to_json(
        rows, created="2026-03-01", tool={}, environment={"cpu_model": "Example CPU"}, data={}
    )
    write_json(folder / "results.json", content)
    return read_run(folder)


@pytest.fixture
def matrix(tmp_path):
    """A device with a stable and a doubtful row, and one that lacks what the other has."""
    stable = make_row(
        "int8",
        latency_ms=make_latency(2.5, median_interval=(2.4, 2.6)),
        stability="stable",
        stability_reasons=("5 processes agree",),
    )
    doubtful = make_row(
        "fp32",
        latency_ms=make_latency(5.0),
        stability="inconclusive",
        stability_reasons=("2 processes; 5 are needed",),
    )
    missing = make_row("int8", status="skipped", reason="no <engine> | here")
    alone = make_row("bf16", latency_ms=make_latency(7.0))
    one = make_run(tmp_path / "one", [stable, doubtful])
    other = make_run(tmp_path / "other", [missing, alone])
    runs = {"pi": one, "jetson": other}
    return device_matrix(runs, {"jetson": ["its folder is still there"]})


def test_every_row_of_any_device_has_a_cell_for_each(matrix):
    assert [device.name for device in matrix.devices] == ["pi", "jetson"]
    assert [line.key.split("--")[2] for line in matrix.lines] == ["int8", "fp32", "bf16"]
    assert [len(line.cells) for line in matrix.lines] == [2, 2, 2]
    first, second = matrix.lines[0].cells
    assert (first.latency_ms.median, first.stability) == (2.5, "stable")
    assert (second.status, second.latency_ms) == ("skipped", None)
    assert matrix.lines[1].cells[1].reason == "it was not asked for"


def test_the_page_says_the_interval_the_verdict_and_every_reason_once(matrix):
    page = to_markdown(matrix)
    assert "2.50 (2.40 to 2.60) stable" in page
    assert "5.00 inconclusive" in page
    assert page.count("2 processes; 5 are needed (unext FP32 on native)") == 1
    assert "5 processes agree" not in page
    assert r"no \<engine\> \| here" in page
    assert "- its folder is still there" in page
    assert "Example CPU" in page


def test_the_files_hold_the_same(matrix, tmp_path):
    content, path = write_page(tmp_path, matrix)
    assert json.loads((tmp_path / "fleet.json").read_text()) == json.loads(json.dumps(content))
    assert (content["schema"], content["kind"]) == (1, "fleet")
    assert path.read_text() == to_markdown(matrix)
    cell = content["lines"][0]["cells"][0]
    assert cell["latency_ms"]["median_interval"] == (2.4, 2.6)


def test_an_emulated_device_is_marked_wherever_it_stands(matrix):
    marked = [dataclasses.replace(matrix.devices[0], emulated=True), matrix.devices[1]]
    lines = [
        dataclasses.replace(
            line,
            cells=(
                dataclasses.replace(line.cells[0], emulated=True, stability=None),
                line.cells[1],
            ),
        )
        for line in matrix.lines
    ]
    page = to_markdown(dataclasses.replace(matrix, devices=marked, lines=lines))
    assert "| pi (emulated)" in page
    assert "2.50 emulated" in page
    assert "2.40 to 2.60" not in page
    assert "compared with nothing" in page
