"""``data``, ``evaluate``, ``doctor``, ``profile``, ``bench``, ``report``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage


def test_data_check_ends_with_1_if_it_found_anything(run, pictures):
    code, out, _ = run("data", "check", pictures, "--json")
    assert (code, json.loads(out)) == (0, [])
    (pictures / "masks" / "synthetic_000001.png").unlink()
    code, out, _ = run("data", "check", pictures, "--json")
    assert code == 1
    assert any("synthetic_000001" in finding["ids"] for finding in json.loads(out))
    code, out, _ = run("data", "check", pictures)
    assert code == 1
    assert "synthetic_000001" in out


def test_data_split_prints_data_on_stdout_and_progress_elsewhere(run, pictures):
    code, out, err = run("data", "split", pictures, "--calibration", "2", "--json")
    found = json.loads(out)
    assert (code, found["calibration"]) == (0, 2)
    assert found["train"] + found["val"] + found["test"] == 6
    assert Path(found["split"]).is_file()
    assert "images" in err


def test_a_mask_of_another_size_is_named_with_code_2(run, pictures, network, said):
    path = pictures / "masks" / "synthetic_000002.png"
    PillowImage.fromarray(np.zeros((10, 12), np.uint8)).save(path)
    code, out, err = run(
        "evaluate", network.directory, "-d", pictures, "-b", "fake", "--part", "all"
    )
    assert (code, out) == (2, "")
    assert "synthetic_000002.png is 12 x 10, its image 80 x 64" in said(err)


def test_evaluate_prints_the_means_as_json(run, pictures, network):
    command = ["evaluate", network.directory, "-d", pictures, "-b", "fake", "--part", "all"]
    code, out, err = run(*command, "--json", "--out", "record.json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["images"] == 6
    assert set(found) == {
        "dice", "iou", "precision", "recall", "dice_pooled", "iou_pooled", "images",
    }  # fmt: skip
    assert f"{found['dice']:.4g}" in run(*command)[1]


def test_a_part_that_does_not_exist_is_refused(run, pictures, network, said):
    run("data", "split", pictures, "--calibration", "1")
    command = ["evaluate", network.directory, "-d", pictures, "-b", "fake", "--part", "tset"]
    code, _, err = run(*command)
    assert code == 2
    assert "no part called 'tset'" in said(err)


def test_doctor_prints_json_that_names_every_engine(run):
    code, out, err = run("doctor", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert [engine["name"] for engine in found["engines"]] == [
        "torch", "onnxruntime", "openvino", "tensorrt", "native",
    ]  # fmt: skip
    for engine in found["engines"]:
        assert engine["available"] or engine["reason"]


def test_doctor_says_how_to_get_what_is_missing(run, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from scunext_edge import doctor

    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(doctor, "version", missing)
    code, out, _ = run("doctor")
    assert code == 0
    for extra in ("torch", "onnx", "openvino", "report", "data"):
        assert f"pip install 'scunext-edge[{extra}]'" in out


def test_profile_prints_json_with_the_papers_table(run):
    pytest.importorskip("fvcore")
    pytest.importorskip("thop")
    code, out, _ = run("profile", "unext", "--size", "64", "--json")
    found = json.loads(out)
    assert (code, found["params"], found["size"]) == (0, 253_561, 64)
    assert found["paper_table"]


def test_profile_times_the_layers_of_an_artifact_on_an_engine(run, network):
    command = ["profile", network.directory, "-b", "onnxruntime", "--runs", "3"]
    code, out, _ = run(*command, "--json")
    found = json.loads(out)
    assert (code, found["backend"], found["runs"]) == (0, "onnxruntime", 3)
    times = [row["time_ms"] or 0 for row in found["layers"]]
    assert sum(times) + found["between_ms"] == pytest.approx(found["total_ms"])
    assert found["machine"]["fp32_macs_per_s"]
    code, out, _ = run(*command)
    assert code == 0
    assert "on onnxruntime" in out
    assert "it ran fp32; median of 3 runs" in " ".join(out.split())
    assert "between the kernels" in out
    assert "Conv" in out
    assert "100.0%" in out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["-b", "onnxruntime", "--device", "cuda"], "layers are not timed on 'cuda'"),
        (["-b", "native"], "native loads native"),
        (["-b", "onxruntime"], "there is no backend called 'onxruntime'"),
    ],
)
def test_layers_that_cannot_be_timed_are_code_2(run, network, more, message, said):
    code, out, err = run("profile", network.directory, *more)
    assert (code, out) == (2, "")
    assert message in said(err)


def test_bench_prints_what_it_writes_and_report_writes_it_again(run, tmp_path, network, said):
    (tmp_path / "quick.toml").write_text("rounds = 1\nwarmup = 1\nvalues = 5\nmemory = false\n")
    command = ["bench", network.directory, "-b", "onnxruntime", "-p", "fp32", "--images", "2"]
    command += ["--suite", "quick.toml", "--out", "run"]
    code, out, err = run(*command, "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "run" / "results.json").read_text())
    assert "processes timed" in err
    code, out, _ = run("report", "run")
    assert code == 0
    assert "report.md" in out
    assert "results.parquet" in out
    code, out, _ = run("report", "run", "run", "--out", "joint")
    assert (code, out.split()) == (0, ["joint/history.md", "joint/history.html"])
    code, _, err = run("report", "run", "run")
    assert code == 2
    assert "name one with --out" in said(err)
    code, _, err = run("report", "run", "--history")
    assert code == 2
    assert "a history needs several runs" in said(err)


@pytest.mark.parametrize(
    ("words", "suite", "changes"),
    [
        ([], "default", {}),
        (["--scenario", "single-stream"], "default", {}),
        (["--scenario", "clinic", "--interval", "90"], "clinic", {"interval_s": 90.0}),
        (["--suite", "burst", "--threads", "2"], "burst", {"threads": 2}),
        (["--scenario", "soak", "--duration", "60"], "soak", {"duration_s": 60.0}),
        (["--suite", "full", "--scenario", "offline"], "full", {"scenario": "offline"}),
    ],
)
def test_a_scenario_is_the_suite_of_its_name_or_a_change_of_another(
    run, monkeypatch, words, suite, changes
):
    from scunext_edge.benchmarks.suite import load_suite
    from scunext_edge.errors import StorageError
    from scunext_edge.pipeline import bench

    asked = []

    def refuse(settings, advance):
        asked.append(settings.suite)
        raise StorageError("enough is known")

    monkeypatch.setattr(bench, "bench", refuse)
    assert run("bench", *words)[0] == 4
    assert asked == [replace(load_suite(suite), **changes)]


def test_a_failed_gate_is_code_1(run, monkeypatch):
    from scunext_edge.pipeline import bench
    from scunext_edge.report.write import ReportFiles

    files = ReportFiles(csv=Path("a"), markdown=Path("report.md"), html=None, html_reason="no")
    outcome = bench.Outcome(
        rows=(), content={"rows": []}, files=files, verdict="Not one passed.", passed=False
    )
    monkeypatch.setattr(bench, "bench", lambda settings, advance: outcome)
    code, out, _ = run("bench")
    assert code == 1
    assert "Not one passed." in out
    assert run("bench", "--json")[:2] == (1, '{"rows": []}\n')
