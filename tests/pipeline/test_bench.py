"""The main job from a checkpoint to a report, on a network and pictures as small as they come."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from scunext_edge.benchmarks import records as measurements
from scunext_edge.errors import (
    BackendMissing,
    BackendUnavailable,
    ConfigError,
    DataError,
    EngineError,
    StorageError,
)
from scunext_edge.evaluation import records as evaluations
from scunext_edge.kernels import native
from scunext_edge.pipeline import bench as module
from scunext_edge.pipeline import rows
from scunext_edge.pipeline.bench import Outcome, bench
from scunext_edge.pipeline.complexity import Complexity
from scunext_edge.pipeline.entries import Entry
from scunext_edge.pipeline.settings import Settings
from scunext_edge.report.records import read_run
from scunext_edge.results import Row
from scunext_edge.runtime.registry import BackendStatus


def is_built():
    """Whether children find libscunext."""
    try:
        return native.find_library().is_file()
    except BackendMissing:
        return False


ROWS = [
    ("torch", "fp32", None),
    ("onnxruntime", "fp32", None),
    ("onnxruntime", "int8", "qdq"),
    ("openvino", "fp32", None),
    ("openvino", "int8", "qdq"),
    *([("native", "fp32", None), ("native", "int8", "qdq")] if is_built() else []),
]


def files_of(folder):
    """Every file below a folder with the time when it was last written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def copied(finished, tmp_path):
    """The settings of the benchmark that went through, for a copy of its folder."""
    shutil.copytree(finished.out, tmp_path / "copy")
    return dataclasses.replace(finished.settings, out=tmp_path / "copy")


@pytest.fixture
def quick(monkeypatch):
    """Engines that need not be looked for, and networks that are counted already."""
    here = ("torch", "onnxruntime", "openvino", "native")
    known = [BackendStatus(name=name, available=True) for name in here]
    missing = BackendStatus(name="tensorrt", available=False, reason="not here", hint="get it")
    monkeypatch.setattr(
        module, "statuses", lambda names: [s for s in [*known, missing] if s.name in names]
    )


def test_every_row_that_can_run_here_is_timed_scored_and_gated(finished, openvino_saturates):
    for form in ROWS:
        row = finished.row(*form)
        assert (row.status, row.reason) == ("ok", None)
        assert row.latency_ms.n == 5
        assert row.latency_ms.region == "compute"
        if form[:2] != ("openvino", "int8") or not openvino_saturates:
            assert 0.1 < row.dice <= 1
            assert 0 < row.iou < row.dice
        assert row.precision_ran in {"fp32", "int8"}
        assert row.artifact_id
        assert row.size_bytes > 0
        assert (row.model, row.device, row.threads, row.input_size) == ("unext", "cpu", 1, 64)


def test_the_first_fp32_row_is_the_reference_and_the_others_are_compared_with_it(finished):
    reference = finished.row("torch", "fp32")
    assert (reference.gate, reference.dice_drop, reference.dice_drop_upper) == (
        "reference", None, None,
    )  # fmt: skip
    for form in ROWS[1:]:
        row = finished.row(*form)
        assert row.gate == "passed"
        assert row.dice_drop == pytest.approx(reference.dice - row.dice)
        assert row.iou_drop == pytest.approx(reference.iou - row.iou)
        assert row.dice_drop_upper >= row.dice_drop
        assert row.worst_image.startswith("synthetic_")


def test_fp32_is_the_same_network_on_every_engine(finished):
    for backend in ("onnxruntime", "openvino"):
        assert finished.row(backend, "fp32").dice_drop == pytest.approx(0, abs=0.002)


def test_an_engine_that_is_not_here_is_a_row_that_says_why(finished):
    for form in (("fp16", None), ("int8", "qdq")):
        row = finished.row("tensorrt", *form)
        if row.status == "ok":
            pytest.skip("TensorRT runs here")
        assert row.status == "skipped"
        assert "tensorrt" in row.reason
        assert "pip install 'scunext-edge[tensorrt]'" in row.reason
        assert (row.latency_ms, row.dice, row.gate, row.artifact_id) == (None,) * 4


def test_parameters_and_macs_are_the_networks_whatever_the_engine(finished):
    pytest.importorskip("fvcore")
    assert {row.params for row in finished.outcome.rows} == {253_561}
    (macs,) = {row.macs for row in finished.outcome.rows}
    assert macs > 0
    assert {row.flops for row in finished.outcome.rows} == {2 * macs}


def test_every_timed_row_is_held_against_the_machines_limit(finished):
    pytest.importorskip("onnx")
    timed = [row for row in finished.outcome.rows if row.status == "ok"]
    known = finished.outcome.content["roofline"]
    if known["machine"]["int8_macs_per_s"] is None:
        timed = [row for row in timed if row.precision_ran != "int8"]
    assert {row.key for row in timed} == set(known["limits"])
    for row in timed:
        assert row.limit_share > 0
        assert row.bound_by in {"compute", "memory", "overhead"}
    assert (finished.out / "records" / "roofline.json").is_file()


def test_results_json_holds_what_was_promised(finished):
    content = json.loads((finished.out / "results.json").read_text())
    assert content == json.loads(json.dumps(finished.outcome.content))
    promised = {"schema", "created", "tool", "environment", "data", "rows"}
    more = {
        "suite",
        "gate",
        "complexity",
        "harness_cost_ns",
        "command",
        "drift",
        "max_cv",
        "roofline",
        "trainings",
    }
    assert set(content) == promised | more
    assert content["schema"] == 2
    assert content["command"] == ["scunext-edge", "bench"]
    data = content["data"]
    assert (data["name"], data["split"], data["images"]) == ("synthetic", "test", 4)
    assert len(data["hash"]) == 16
    assert "say nothing about patients" in data["note"]
    assert content["gate"]["limits"] == {"dice": 0.9}
    assert [row["backend"] for row in content["rows"] if row["status"] == "ok"] == [
        form[0] for form in ROWS
    ]


def test_every_report_is_written_and_names_every_network(finished):
    files = finished.outcome.files
    assert files.csv.read_text().count("\n") == 1 + len(finished.outcome.rows)
    assert "unext" in files.markdown.read_text()
    if files.html is not None:
        page = files.html.read_text()
        assert "data:image" in page
        assert 'src="http' not in page
    assert "passed" in finished.outcome.verdict
    assert (finished.outcome.passed, finished.outcome.exit_code) == (True, 0)


def test_nothing_is_left_half_written(finished):
    assert not [name for name in files_of(finished.out) if Path(name).name.startswith(".")]


def test_a_second_run_does_nothing_again(copied):
    before = files_of(copied.out)
    outcome = bench(copied)
    after = files_of(copied.out)
    written = {name for name in after if after[name] != before.get(name)}
    tables = {"results.csv", "results.parquet", "values.parquet"}
    assert written <= {"results.json", "report.md", "report.html", *tables}
    assert set(after) == set(before)
    assert outcome.passed


def test_another_scenario_has_records_of_its_own_and_says_what_it_found(copied):
    burst = dataclasses.replace(
        copied.suite, scenario="burst", interval_s=1.0, burst=2, cold_starts=1
    )
    settings = dataclasses.replace(
        copied, suite=burst, backends=("onnxruntime",), precisions=("fp32",)
    )
    (row,) = bench(settings).rows
    assert (row.status, row.scenario) == ("ok", "burst"), row.reason
    assert "of 2 images at once" in " ".join(row.findings)
    assert "from the start of a process to its first mask" in row.findings[-1]
    assert row.cold_start_ms > 0
    assert row.images_per_s is None
    (name,) = (path.name for path in (copied.out / "records").glob("*burst*"))
    assert name == f"{row.key}--compute--burst.measurement.json"
    assert read_run(copied.out).measurements[row.key].plan.scenario == "burst"
    assert "of 2 images at once" in (copied.out / "results.csv").read_text()


def test_a_drop_that_is_too_large_fails_the_gate_and_the_run(copied, quick):
    path = copied.out / "records" / "unext--openvino--int8-qdq--cpu--64.evaluation.json"
    content = json.loads(path.read_text())
    for score in content["scores"]:
        score.update(dice=0.0, iou=0.0)
    content["subject"].pop("backend_version")
    path.write_text(json.dumps(content))
    outcome = bench(dataclasses.replace(copied, limits={"dice": 0.1}))
    (row,) = [r for r in outcome.rows if (r.backend, r.precision) == ("openvino", "int8")]
    assert (row.gate, row.dice) == ("failed", 0.0)
    assert row.dice_drop_upper >= row.dice_drop > 0.1
    assert (outcome.passed, outcome.exit_code) == (False, 1)
    assert f"{len(ROWS) - 2} of {len(ROWS) - 1} rows passed" in outcome.verdict
    assert "failed" in (copied.out / "results.csv").read_text()


def test_ctrl_c_in_the_middle_leaves_records_that_load_and_are_kept(copied, quick):
    folder = copied.out / "records"
    for path in folder.glob("*.measurement.json"):
        path.unlink()

    def interrupted(what, done, of):
        if (what, done) == ("processes timed", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(copied, advance=interrupted)
    timed = sorted(folder.glob("*.measurement.json"))
    assert 0 < len(timed) < len(ROWS)
    assert all(measurements.load(path).runs for path in timed)
    assert all(evaluations.load(path).scores for path in folder.glob("*.evaluation.json"))
    before = {path: measurements.load(path).runs for path in timed}
    outcome = bench(copied)
    assert {path: measurements.load(path).runs for path in timed} == before
    assert [row.status for row in outcome.rows].count("ok") == len(ROWS)


def make_row(**changes):
    fields = {
        "model": "unext", "backend": "torch", "precision": "fp32", "device": "cpu", "threads": 1,
        "input_size": 64, "status": "ok",
    }  # fmt: skip
    return Row(**{**fields, **changes})


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["ok"], 0),
        (["ok", "skipped", "failed"], 0),
        (["skipped", "skipped"], 3),
        (["skipped", "failed"], 5),
    ],
)
def test_a_run_without_a_single_number_does_not_end_well(statuses, code):
    outcome = Outcome(
        rows=tuple(make_row(status=status) for status in statuses),
        content={},
        files=None,
        verdict="",
        passed=True,
    )
    assert outcome.exit_code == code
    assert dataclasses.replace(outcome, passed=False).exit_code == 1


@pytest.mark.parametrize(
    ("error", "status"), [(BackendUnavailable("no GPU"), "skipped"), (EngineError("!"), "failed")]
)
def test_what_is_lacking_is_skipped_and_what_broke_has_failed(error, status):
    entry = Entry(subject=None, row=make_row())
    entry.fail(error)
    assert (entry.row.status, entry.row.reason) == (status, str(error))


@pytest.mark.parametrize(
    ("backend", "ran", "isa", "doubted"),
    [
        ("openvino", "int8", ["avx2"], True),
        ("openvino", "int8", ["avx2", "avx_vnni"], False),
        ("openvino", "int8", None, False),
        ("openvino", "fp32", ["avx2"], False),
        ("native", "int8", ["avx2"], False),
    ],
)
def test_sums_that_overflow_are_a_doubt(backend, ran, isa, doubted):
    subject = measurements.Subject(
        artifact_id="0123456789abcdef", backend=backend, backend_version="1", device="cpu",
        threads=1, precision="int8", precision_ran=ran, input_shape=(1, 64, 64, 3), batch=1,
    )  # fmt: skip
    run = measurements.Run(
        started="", environment={"machine": {"isa": isa}}, warmup_ns=(1,), values_ns=(1,),
        open_ms=1.0, harness_ns=1.0,
    )  # fmt: skip
    plan = measurements.Plan(region="compute", warmup=1, values=1)
    record = measurements.Record(subject=subject, region="compute", plan=plan, runs=(run,))
    (entry,) = entries_of((backend, "int8", 0.5))
    entry.record = record
    row = rows.finished(entry, Complexity(model="unext"))
    assert any("which overflow" in doubt for doubt in row.doubts) == doubted


def entries_of(*forms):
    """Scored rows of one network, with the Dice of their two images."""

    class Subject:
        label, trained = "unext", True

    return [
        Entry(
            subject=Subject,
            row=make_row(backend=backend, precision=precision),
            evaluation=evaluations.from_answer(
                {"subject": {}, "dataset": {}, "scores": [made_up("a", dice), made_up("b", dice)]}
            ),
        )
        for backend, precision, dice in forms
    ]


def made_up(name, dice):
    areas = {"truth_area": 9, "predicted_area": 9, "common_area": 9}
    return {"id": name, "dice": dice, "iou": dice, "precision": dice, "recall": dice, **areas}


def test_the_reference_may_stand_after_the_rows_that_are_compared_with_it(finished):
    entries = entries_of(
        ("tensorrt", "fp16", 0.75), ("onnxruntime", "fp32", 0.875), ("openvino", "fp32", 0.875)
    )
    module._gate(entries, finished.settings)
    assert [entry.is_reference for entry in entries] == [False, True, False]
    assert entries[0].verdict.drops["dice"].mean == 0.125
    assert entries[2].verdict.drops["dice"].mean == 0.0


def test_a_row_that_nothing_was_compared_with_says_so(finished):
    (entry,) = entries_of(("onnxruntime", "int8", 0.875))
    module._gate([entry], finished.settings)
    assert entry.verdict is None
    row = rows.finished(entry, Complexity(model="unext"))
    assert (row.gate, row.dice) == (None, 0.875)
    assert "the gate did not look at this one" in row.doubts[-1]


@pytest.mark.parametrize(
    "error", [DataError("a mask of another size"), StorageError("no space left")]
)
def test_what_every_row_would_meet_ends_the_run_at_once(copied, quick, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(module, "evaluate", fail)
    before = files_of(copied.out)
    with pytest.raises(type(error), match=str(error)):
        bench(copied)
    assert files_of(copied.out) == before


@pytest.mark.parametrize(
    ("wrong", "message", "hint"),
    [
        ({"backends": ("onxruntime",)}, "no backend 'onxruntime'", "did you mean onnxruntime?"),
        ({"precisions": ("int4",)}, "no precision 'int4'", "did you mean int8?"),
        ({"precisions": ()}, "nothing to measure", "name a model"),
        ({"limits": {"dise": 0.1}}, "no metric 'dise'", "choose one of"),
        ({"confidence": 95.0}, "a confidence of 95", "use 0.95"),
    ],
)
def test_settings_that_name_nothing_are_refused_before_anything_is_done(
    finished, tmp_path, wrong, message, hint
):
    with pytest.raises(ConfigError, match=message) as caught:
        dataclasses.replace(finished.settings, out=tmp_path / "out", **wrong)
    assert hint in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_typo_leaves_no_folder_behind(finished, tmp_path):
    with pytest.raises(ConfigError, match="no network called"):
        bench(Settings(out=tmp_path / "out", suite=finished.settings.suite, models=("sunext",)))
    assert not (tmp_path / "out").exists()
