"""The measurement in a browser: what is stored, what is said of it, and that it runs at all."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from scunext_edge.errors import BackendMissing
from scunext_edge.pipeline.web.__main__ import main
from scunext_edge.pipeline.web.browser import find_chromium
from scunext_edge.pipeline.web.record import checks, doubts, measure
from scunext_edge.pipeline.web.settings import QUICK
from scunext_edge.pipeline.web.table import to_markdown

ROOT = Path(__file__).resolve().parents[3]
STORED = ROOT / "docs" / "results" / "web.json"
ORT = ROOT / "build" / "bench-web" / "node_modules" / "onnxruntime-web"


@pytest.fixture
def record():
    return copy.deepcopy(json.loads(STORED.read_text(encoding="utf-8")))


def test_the_stored_tables_are_those_of_the_stored_record(record):
    assert STORED.with_suffix(".md").read_text(encoding="utf-8") == to_markdown(record)


def test_checks_and_doubts_follow_from_the_raw_values(record):
    assert list(checks(record)) == record["checks"]
    assert list(doubts(record)) == record["doubts"]


def test_a_page_that_is_too_large_or_too_slow_is_said_to_be(record):
    record["sizes"]["folder_bytes"] = 1_000_001
    record["photo"]["raw_ms"] = [[{"total": 31.0}]]
    met = {it["name"].partition(",")[0]: it["met"] for it in checks(record)}
    assert met == {
        "all files of the page": False,
        "the page as one file": True,
        "mask from pixels in memory": True,
        "outline from the bytes of a photo of 256 x 256": False,
    }


def test_processes_that_differ_are_a_doubt(record):
    for row in record["rows"]:
        row["raw_ms"] = [[1.0, 1.0], [1.05, 1.05]]
    record["environment"]["foreign_cores"] = 0.0
    assert list(doubts(record)) == []
    record["rows"][0]["raw_ms"][1] = [1.2, 1.2]
    (doubt,) = doubts(record)
    assert "scunext, native int8 wasm_relaxed" in doubt
    assert "1.00 and 1.20" in doubt


def test_without_the_peer_nothing_is_measured(tmp_path):
    with pytest.raises(BackendMissing, match="onnxruntime-web"):
        measure(QUICK, tmp_path)


def test_a_quick_measurement_runs_to_its_end(tmp_path, native_library):
    if find_chromium() is None or not ORT.is_dir():
        pytest.skip("needs Chromium and what `make bench-web` installs")
    out = tmp_path / "web.json"
    assert main(["--quick", "--ort", str(ORT), "--out", str(out)]) in (0, 1)
    record = json.loads(out.read_text(encoding="utf-8"))
    assert [len(row["raw_ms"][0]) for row in record["rows"]] == [2] * 6
    assert min(row["same_pixels"] for row in record["rows"]) > 0.99
    assert "one process: nothing is known about others" in record["doubts"]
    assert out.with_suffix(".md").read_text(encoding="utf-8") == to_markdown(record)
