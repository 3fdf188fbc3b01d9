"""What a user types and gets: exit codes, errors in two lines, data on stdout, talk on stderr."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from scunext_edge import __version__, artifacts, cli

COMMANDS = [
    "train", "experiment", "bench", "report", "compare", "evaluate", "verify", "quantize",
    "operating-point", "predict", "export", "profile", "doctor", "serve",
    "data", "data check", "data split", "data fetch",
    "bundle", "bundle make", "bundle verify", "bundle keygen",
]  # fmt: skip


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
def test_what_does_not_exist_is_refused_with_what_does(
    run, tmp_path, arguments, message, hint, said
):
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
    run, tmp_path, photo, network, arguments, message, hint, said
):
    code, out, err = run("predict", photo, "--out", "o", *arguments)
    assert (code, out) == (2, "")
    assert message in said(err)
    assert hint in err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("command", [["profile", "sunext"], ["train", "sunext", "-d", ".", "-o=o"]])
def test_a_misspelled_network_is_refused_where_torch_is_needed(run, tmp_path, command, said):
    pytest.importorskip("torch")
    code, out, err = run(*command)
    assert (code, out) == (2, "")
    assert "did you mean scunext?" in said(err)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_is_not_installed_is_code_3(
    run, tmp_path, network, photo, monkeypatch, said
):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    # another test may have imported it already
    monkeypatch.delitem(sys.modules, "scunext_edge.runtime.backends.ort", raising=False)
    code, out, err = run("predict", photo, "--out", "o", "--model", network.directory)
    assert (code, out) == (3, "")
    assert "onnxruntime" in said(err)
    assert "pip install 'scunext-edge[onnxruntime]'" in err


def test_a_command_that_needs_torch_says_how_to_get_it(run, monkeypatch, said):
    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda package: None)
    code, _, err = run("profile", "unext")
    assert code == 3
    assert "needs the package 'torch'" in said(err)
    assert "pip install 'scunext-edge[torch]'" in err


# --- artifacts


def test_an_artifact_with_one_byte_changed_is_code_4(run, tmp_path, network, photo, pictures, said):
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


def test_a_checkpoint_cut_in_half_is_code_4(run, tmp_path, said):
    pytest.importorskip("torch")
    from scunext_edge.models.checkpoint import random_network

    artifact = random_network("unext", tmp_path / "unext", size=64)
    path = artifact.file(".safetensors")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, out, err = run("export", "./unext", "--to", "onnx", "--out", "o")
    assert (code, out) == (4, "")
    assert "weights.safetensors was altered" in said(err)
    assert not (tmp_path / "o").exists()


def test_a_checkpoint_cut_in_half_before_it_was_carded_is_code_4_too(run, tmp_path, said):
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


def test_a_run_without_results_is_code_4(run, tmp_path, said):
    code, out, err = run("report", tmp_path)
    assert (code, out) == (4, "")
    assert "results.json does not exist" in said(err)


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
