"""What a user types and gets: exit codes, errors in two lines, data on stdout, talk on stderr."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge import __version__, artifacts, cli
from scunext_edge.data.synthetic import SyntheticLesions, draw
from scunext_edge.weights import shipped

COMMANDS = [
    "train", "experiment", "bench", "report", "compare", "evaluate", "verify", "quantize",
    "predict", "export", "profile", "doctor", "serve",
    "data", "data check", "data split", "data fetch",
    "bundle", "bundle make", "bundle verify", "bundle keygen",
]  # fmt: skip


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """``run("predict", ...)``: the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["scunext-edge", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


@pytest.fixture
def pictures(tmp_path):
    """Six drawn lesions with their masks, small."""
    folder = tmp_path / "pictures"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for sample in SyntheticLesions(6, seed=3, size=(64, 80)):
        PillowImage.fromarray(sample.image_hwc).save(folder / "images" / f"{sample.id}.png")
        mask = PillowImage.fromarray(sample.mask_hw.astype(np.uint8) * 255)
        mask.save(folder / "masks" / f"{sample.id}.png")
    return folder


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    PillowImage.fromarray(SyntheticLesions(1, size=(64, 80))[0].image_hwc).save(path)
    return path


@pytest.fixture
def network(tmp_path):
    """A copy of a shipped network's ONNX, to do harm to."""
    pytest.importorskip("onnxruntime")
    if not shipped.names():
        pytest.skip("no network ships with this checkout")
    name = shipped.names()[0]
    folder = shutil.copytree(shipped.shipped(name, "onnx-fp32").directory, tmp_path / "network")
    return artifacts.load(folder)


def said(err):
    """The error and the hint, and nothing beside them."""
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) in {1, 2}, err
    assert lines[0].startswith("error: ")
    assert len(lines) == 1 or lines[1].startswith("hint:  ")
    return err


# --- help, version, usage


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(run, command):
    code, out, err = run(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert re.search(f"Usage: .* {command} ".replace("  ", " "), out)
    assert "--help" in out


def test_the_commands_tested_here_are_all_there_are(run):
    registered = {it.name or it.callback.__name__ for it in cli.app.registered_commands}
    groups = {it.name: it.typer_instance for it in cli.app.registered_groups}
    for name, group in groups.items():
        registered |= {f"{name} {it.callback.__name__}" for it in group.registered_commands}
    assert registered | set(groups) == set(COMMANDS)


def test_the_version_is_printed_without_a_command(run):
    assert run("--version") == (0, f"{__version__}\n", "")


def test_the_package_can_be_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "scunext_edge", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["data", "bogus"], "No such command 'bogus'"),
        (["doctor", "--bogus"], "No such option"),
        (["predict", "--out", "o"], "Missing argument"),
        (["predict", "a.jpg"], "Missing option '--out'"),
        (["bench", "--images", "many"], "--images"),
        (["bench", "--threads", "0"], "--threads"),
        (["bench", "--gate", "dice"], "--gate: 'dice' is not NAME=VALUE"),
        (["bench", "--gate", "dice=low"], "--gate: 'low' is no number"),
        (["profile", "unext", "--option", "skip"], "--option: 'skip' is not NAME=VALUE"),
        (["profile", "unext", "-b", "native", "--size", "64"], "--size, --option: the artifact"),
        (["data", "fetch", "isic2019", "--out", "o"], "isic2019"),
    ],
)
def test_a_usage_error_is_told_on_stderr_with_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err


# --- names and settings


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["bench", "sunext"], "no network called 'sunext'", "did you mean scunext?"),
        (["bench", "-b", "onxruntime"], "no backend 'onxruntime'", "did you mean onnxruntime?"),
        (["bench", "-p", "int4"], "no precision 'int4'", "did you mean int8?"),
        (["bench", "--suite", "defalt"], "no suite called 'defalt'", "did you mean 'default'?"),
        (["bench", "--scenario", "server"], "scenario = 'server'", "one of: single-stream"),
        (["bench", "--interval", "2"], "no use for interval_s", "--scenario clinic"),
        (["bench", "--suite", "full", "--scenario", "soak"], "needs duration_s", "--duration"),
        (["bench", "--gate", "dise=0.1"], "no metric 'dise'", "dice, iou"),
        (["bench", "--gate", "dice=NaN"], "a limit of nan", "0.005"),
        (["bench", "--confidence", "95"], "a confidence of 95", "0.95"),
        (["bench", "--size", "100"], "multiples of 32, not 100", "use 96"),
        (["bench", "--data", "nothing"], "nothing does not exist", "give the folder"),
        (["bench", "--data", "empty"], "empty holds no images", "images/"),
        (["data", "check", "nothing"], "nothing does not exist", "give the folder"),
        (["data", "check", "empty"], "empty holds no images", "images"),
        (["data", "split", "empty"], "empty holds no images", "images/"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(run, tmp_path, arguments, message, hint):
    (tmp_path / "empty").mkdir()
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in said(err)
    assert hint in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--model", "sunext"], "no network called 'sunext'", "did you mean 'scunext'?"),
        (["--precision", "in8"], "does not ship in in8", "did you mean 'int8'?"),
        (["--backend", "onxruntime"], "no backend called 'onxruntime'", "'onnxruntime'?"),
    ],
)
def test_a_typo_in_predict_suggests_but_is_never_corrected(
    run, tmp_path, photo, network, arguments, message, hint
):
    code, out, err = run("predict", photo, "--out", "o", *arguments)
    assert (code, out) == (2, "")
    assert message in said(err)
    assert hint in err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("command", [["profile", "sunext"], ["train", "sunext", "-d", ".", "-o=o"]])
def test_a_misspelled_network_is_refused_where_torch_is_needed(run, tmp_path, command):
    pytest.importorskip("torch")
    code, out, err = run(*command)
    assert (code, out) == (2, "")
    assert "did you mean scunext?" in said(err)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_is_not_installed_is_code_3(run, tmp_path, network, photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    # another test may have imported it already
    monkeypatch.delitem(sys.modules, "scunext_edge.runtime.backends.ort", raising=False)
    code, out, err = run("predict", photo, "--out", "o", "--model", network.directory)
    assert (code, out) == (3, "")
    assert "onnxruntime" in said(err)
    assert "pip install 'scunext-edge[onnxruntime]'" in err


def test_a_command_that_needs_torch_says_how_to_get_it(run, monkeypatch):
    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda package: None)
    code, _, err = run("profile", "unext")
    assert code == 3
    assert "needs the package 'torch'" in said(err)
    assert "pip install 'scunext-edge[torch]'" in err


# --- artifacts


def test_an_artifact_with_one_byte_changed_is_code_4(run, tmp_path, network, photo, pictures):
    path = network.file(".onnx")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for command in (
        ["predict", photo, "--out", "o", "--model", network.directory],
        ["evaluate", network.directory, "--data", pictures, "-b", "onnxruntime"],
        ["export", network.directory, "--to", "openvino", "--out", "o"],
        ["bench", network.directory, "--out", "o"],
    ):
        code, out, err = run(*command)
        assert (code, out) == (4, "")
        assert "model.onnx was altered after export" in said(err)
    assert not (tmp_path / "o").exists()


def test_a_checkpoint_cut_in_half_is_code_4(run, tmp_path):
    pytest.importorskip("torch")
    from scunext_edge.models.checkpoint import random_network

    artifact = random_network("unext", tmp_path / "unext", size=64)
    path = artifact.file(".safetensors")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, out, err = run("export", "./unext", "--to", "onnx", "--out", "o")
    assert (code, out) == (4, "")
    assert "weights.safetensors was altered" in said(err)
    assert not (tmp_path / "o").exists()


def test_a_checkpoint_cut_in_half_before_it_was_carded_is_code_4_too(run, tmp_path):
    """Whoever copies half a file and writes a new card for it gets past the digests only."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from scunext_edge.models.checkpoint import random_network

    whole = random_network("unext", tmp_path / "unext", size=64)
    content = whole.file(".safetensors").read_bytes()
    with artifacts.new_artifact(tmp_path / "half", whole.card) as folder:
        (folder / "weights.safetensors").write_bytes(content[: len(content) // 2])
    code, out, err = run("export", "./half", "--to", "onnx", "--out", "o")
    assert (code, out) == (4, "")
    assert "does not hold the weights of unext" in said(err)
    assert not (tmp_path / "o").exists()


def test_a_run_without_results_is_code_4(run, tmp_path):
    code, out, err = run("report", tmp_path)
    assert (code, out) == (4, "")
    assert "results.json does not exist" in said(err)


# --- predict


def test_predict_writes_a_mask_an_overlay_and_a_line_of_json_each(run, tmp_path, photo, network):
    code, out, _ = run("predict", photo, "--out", "o", "--model", network.directory)
    record = json.loads(out)
    assert (code, record["status"], record["width"], record["height"]) == (0, "ok", 80, 64)
    with PillowImage.open(tmp_path / "o" / "photo.mask.png") as mask:
        assert mask.size == (80, 64)
    assert (tmp_path / "o" / "photo.overlay.png").is_file()


def test_predict_says_once_that_a_network_has_no_limits(run, tmp_path, photo, network):
    shutil.copyfile(photo, tmp_path / "second.jpg")
    card = json.loads((network.directory / "card.json").read_text())
    card["details"]["checkpoint"] = "another"
    (network.directory / "card.json").write_text(json.dumps(card))
    code, out, err = run("predict", photo, "second.jpg", "-o", "o", "--model", network.directory)
    assert [json.loads(line)["quality"] for line in out.splitlines()] == [None, None]
    assert (code, err.count("has no limits of quality")) == (0, 1)


def test_predict_says_which_masks_not_to_use_and_ends_well(run, tmp_path):
    pytest.importorskip("onnxruntime")
    image, _ = draw(3, 4, (256, 256))
    PillowImage.fromarray(image // 12).save(tmp_path / "dark.png")
    code, out, err = run("predict", "dark.png", "--out", "o")
    quality = json.loads(out)["quality"]
    assert (code, quality["usable"]) == (0, False)
    assert "too_dark" in [flag["name"] for flag in quality["flags"]]
    assert err.startswith("dark.png: do not use this mask:")
    assert "add light" in err
    assert (tmp_path / "o" / "dark.mask.png").is_file()


def test_predict_refuses_limits_of_another_network(run, photo, network):
    limits = Path(shipped.__file__).parent / "unext" / "quality.json"
    code, out, err = run(
        "predict", photo, "--out", "o", "--model", network.directory, "--limits", limits
    )
    assert (code, out) == (2, "")
    assert "is about unext of checkpoint" in said(err)


def test_predict_does_what_can_be_done_and_ends_with_1(run, tmp_path, photo, network):
    content = photo.read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.png").write_text("no picture")
    names = ["cut.jpg", "nothing.jpg", "text.png", "photo.jpg"]
    code, out, _ = run("predict", *names, "--out", "o", "--model", network.directory)
    found = {record["image"]: record for record in map(json.loads, out.splitlines())}
    assert code == 1
    assert [found[name]["status"] for name in names] == ["failed", "failed", "failed", "ok"]
    assert "cut.jpg cannot be read" in found["cut.jpg"]["reason"]
    assert "nothing.jpg does not exist" in found["nothing.jpg"]["reason"]
    assert "no image that can be read" in found["text.png"]["reason"]
    written = sorted(path.name for path in (tmp_path / "o").iterdir())
    assert written == ["photo.mask.png", "photo.overlay.png"]


def test_predict_of_a_folder_makes_a_table_and_goes_on(run, tmp_path, pictures, network):
    parquet = pytest.importorskip("pyarrow.parquet")
    arguments = ("predict", pictures / "images", "--out", "o", "--model", network.directory)
    command = (*arguments, "--backend", "fake", "--workers", "1")
    code, out, err = run(*command)
    assert (code, "6/6" in err) == (0, True)
    assert json.loads(out) == {
        "images": 6,
        "kept": 0,
        "failed": 0,
        "table": str(tmp_path / "o" / "predictions.parquet"),
    }
    assert parquet.read_table(tmp_path / "o" / "predictions.parquet").num_rows == 6
    (pictures / "images" / "cut.png").write_bytes(b"no picture")
    code, out, err = run(*command)
    assert (code, json.loads(out)["kept"], json.loads(out)["failed"]) == (1, 6, 1)
    assert "6 of 7 pictures were done before and are kept" in err


def test_an_interrupted_predict_says_how_to_go_on(run, pictures, network, monkeypatch):
    pytest.importorskip("pyarrow")

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("scunext_edge.pipeline.folders.run.run_local", interrupted)
    code, _, err = run("predict", pictures / "images", "-o", "o", "-m", network.directory)
    assert code == cli.INTERRUPTED
    assert "the same command goes on where this one stopped" in err


def test_predict_refuses_a_segment_without_a_code(run, photo, network):
    code, out, err = run("predict", photo, "-o", "o", "-m", network.directory, "--seg", "liver")
    assert (code, out) == (2, "")
    assert "choose one of: lesion, lung" in said(err)


def test_a_folder_that_takes_no_files_is_code_4(run, tmp_path, photo, network, pictures):
    (tmp_path / "file").touch()
    for command in (
        ["predict", photo, "--out", "file/o", "--model", network.directory],
        ["bench", "unet", "--out", "file/o"],
        ["data", "split", pictures, "--calibration", "1", "--out", "file/split.json"],
        ["evaluate", network.directory, "-d", pictures, "-b", "fake", "--part", "all",
         "--out", "file/a.json"],
    ):  # fmt: skip
        code, out, err = run(*command)
        assert (code, out) == (4, "")
        assert "cannot write file" in err.splitlines()[-2]
        assert "hint:  choose a folder that can be written to" in err


def test_a_full_disk_is_code_4_and_leaves_nothing(run, tmp_path, photo, network, monkeypatch):
    def full(self, path, **options):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PillowImage.Image, "save", full)
        code, out, err = run("predict", photo, "--out", "o", "--model", network.directory)
    assert (code, out) == (4, "")
    assert "No space left on device" in said(err)
    assert list((tmp_path / "o").iterdir()) == []


# --- data, evaluate, export, bench


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


def test_a_mask_of_another_size_is_named_with_code_2(run, pictures, network):
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


def test_a_part_that_does_not_exist_is_refused(run, pictures, network):
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
def test_layers_that_cannot_be_timed_are_code_2(run, network, more, message):
    code, out, err = run("profile", network.directory, *more)
    assert (code, out) == (2, "")
    assert message in said(err)


def test_bench_prints_what_it_writes_and_report_writes_it_again(run, tmp_path, network):
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


# --- Ctrl-C


@pytest.mark.parametrize("command", [["doctor"], ["data", "check", "."]])
def test_ctrl_c_ends_with_130_and_no_traceback(command):
    script = f"""
import os, signal, sys, time
from scunext_edge import cli, doctor
from scunext_edge.data import check

def interrupted(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

doctor.examine = check.check = interrupted
sys.argv = ["scunext-edge", *{command!r}]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() == "interrupted: what was finished is kept"


def test_ctrl_c_from_the_keyboard_reaches_a_running_command(tmp_path, network):
    """The signal goes to the whole group of processes, as a terminal sends it."""
    command = [sys.executable, "-m", "scunext_edge", "bench", str(network.directory)]
    command += ["--out", str(tmp_path / "run"), "--images", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        while not (tmp_path / "run" / "records").exists():  # until it has begun
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert "interrupted" in err
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name.startswith(".")]


# --- lightness


def test_help_needs_neither_numpy_nor_rich_nor_an_engine():
    script = "import sys, scunext_edge.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    heavy = {"numpy", "PIL", "rich", "torch", "onnxruntime", "openvino", "onnx", "matplotlib"}
    assert not heavy & loaded
