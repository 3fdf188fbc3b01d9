"""The record of a small measurement from end to end, its tables, and what follows from two."""

from __future__ import annotations

import copy
import dataclasses
import json

import pytest

from scunext_edge.errors import BackendMissing, ConfigError
from scunext_edge.kernels import native
from scunext_edge.pipeline.kernels import __main__ as command
from scunext_edge.pipeline.kernels import record as module
from scunext_edge.pipeline.kernels.settings import QUICK
from scunext_edge.pipeline.kernels.table import to_markdown
from scunext_edge.storage import read_record

ROW = {
    "model", "size", "threads", "engine", "precision", "ms_min", "ms_median", "rounds", "includes",
}  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """``--quick`` on what needs no more than the base installation and ONNX Runtime."""
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    try:
        native.find_library()
    except BackendMissing as error:
        pytest.skip(str(error))
    path = tmp_path_factory.mktemp("record") / "kernels.json"
    forms = tuple(form for form in QUICK.forms if form.engine in {"native", "onnxruntime"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "QUICK", dataclasses.replace(QUICK, forms=forms))
        assert command.main(["--quick", "--out", str(path)]) == 0
    return path


@pytest.fixture
def record(out):
    return read_record(out, kind=module.KIND, schema=module.SCHEMA)


def test_every_engine_has_a_row_of_the_promised_fields(record):
    assert (record["schema"], record["missing"]) == (1, [])
    assert record["environment"]["native_isa"] == native.instruction_sets()[0]
    assert all(set(row) > ROW for row in record["rows"])
    assert [(row["engine"], row["precision"]) for row in record["rows"]] == [
        ("native", "fp32"), ("native", "int8"), ("onnxruntime", "fp32"), ("onnxruntime", "int8"),
    ]  # fmt: skip
    for row in record["rows"]:
        assert (row["model"], row["size"], row["threads"], row["rounds"]) == ("unext", 256, 1, 2)
        assert 0 < row["ms_min"] <= row["ms_median"]
        assert row["same_pixels"] > 0.97


def test_every_step_of_every_native_file_is_in_it(record):
    assert {table["precision"] for table in record["stages"]} == {"fp32", "int8"}
    for table in record["stages"]:
        steps = table["operations"]
        assert steps[0]["name"].startswith("normalize")
        assert {step["bound"] for step in steps} <= {"compute", "memory", "overhead"}
        assert table["ms_min"] == pytest.approx(sum(step["ms_min"] for step in steps))


def test_what_a_device_needs_is_in_it_or_why_it_is_not(record):
    for row in record["footprints"]:
        assert row["library_bytes"] == native.find_library().stat().st_size
        assert row["arena_bytes"] > 0
        measured = {row["peak_rss_bytes"] is None, row["load_to_first_mask_ms"] is None}
        assert measured == {row["remark"] is not None}
        if row["remark"] is None:
            assert row["peak_rss_bytes"] > row["arena_bytes"]


def test_a_short_measurement_is_doubted(record):
    assert "2 rounds; a publishable number has 5" in record["doubts"]


def test_it_names_nobodys_machine(out):
    text = out.read_text() + out.with_suffix(".md").read_text()
    assert "/tmp" not in text
    assert "/home" not in text


def test_the_table_beside_it_says_all_of_it(out, record):
    text = out.with_suffix(".md").read_text()
    assert text == to_markdown(record)
    for row in record["rows"]:
        assert f"| {row['engine']} {row['precision']}" in text
    assert "## Operations: `unext`, 256, int8" in text
    assert "Everything was measured." in text
    assert all(f"- {doubt}" in text for doubt in record["doubts"])


def test_what_became_slower_is_told_by_the_step(record):
    new = copy.deepcopy(record)
    steps = new["stages"][0]["operations"]
    longest = max(range(len(steps)), key=lambda at: steps[at]["ms_min"])
    assert module.slower(record, new) == []
    steps[longest]["ms_min"] *= 1.5
    (slow,) = module.slower(record, new)
    assert (slow["index"], slow["name"]) == (longest, steps[longest]["name"])
    assert slow["ms_min"] == pytest.approx(1.5 * slow["ms_was"])
    new["slower"] = [slow]
    assert f"operation {longest}, {slow['name']}" in to_markdown(new)
    other = {**new, "environment": {**new["environment"], "cpu_model": "another"}}
    assert module.slower(record, other) == []


def test_doubts_name_what_is_wrong_with_a_row(record):
    spoilt = copy.deepcopy(record)
    spoilt["settings"]["rounds"] = 5
    spoilt["environment"]["foreign_cores"] = [0.0, 0.7]
    first, second = spoilt["rows"][:2]
    first.update(cores_used=1.9, same_pixels=1.0)
    second.update(cores_used=1.0, same_pixels=0.5)
    found = "\n".join(module.doubts(spoilt))
    assert "other processes kept up to 0.7 cores busy" in found
    assert "native fp32: it used 1.9 cores" in found
    assert "native int8: only 50.0% of the pixels" in found
    assert "rounds" not in found


def test_engines_that_are_absent_are_told_and_the_rest_is_measured(tmp_path, monkeypatch):
    """Nothing is measured here: every group answers with what is missing."""

    def group(group, settings, files, **options):
        reason = {"engine": "mnn", "precision": "fp32", "variant": None, "reason": "not installed"}
        return {"rows": [], "missing": [{**group._asdict(), **reason}], "foreign_cores": None}

    monkeypatch.setattr(module, "measure_group", group)
    monkeypatch.setattr(module, "_make_files", lambda *_: {("unext", 256): None})
    empty = {"stages": [], "footprints": [], "missing": []}
    monkeypatch.setattr(module, "_stages", lambda *_: empty)
    record = module.measure(QUICK)
    assert record["rows"] == []
    text = to_markdown(json.loads(json.dumps(record)))
    assert "- mnn fp32: not installed" in text
    assert all(row["met"] is None for row in record["ratios"])


def test_an_instruction_set_that_is_not_here_is_refused(tmp_path, capsys):
    out = tmp_path / "kernels.json"
    code = command.main(["--quick", "--isa", "sse9", "--out", str(out)])
    said = capsys.readouterr().err
    if "not built" in said:
        pytest.skip("libscunext is not built here")
    assert code == ConfigError.exit_code
    assert "'sse9' cannot be used here" in said
    assert "scalar" in said
    assert not out.exists()


def test_a_record_of_another_kind_is_not_overwritten(tmp_path, capsys):
    out = tmp_path / "kernels.json"
    out.write_text('{"schema": 1, "kind": "speed"}')
    assert command.main(["--quick", "--out", str(out)]) != 0
    assert out.read_text() == '{"schema": 1, "kind": "speed"}'
