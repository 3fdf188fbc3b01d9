"""`scunext-edge bench --remote` as it is typed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from scunext_edge import cli
from scunext_edge.errors import ConfigError
from scunext_edge.pipeline.remote.hosts import hosts
from scunext_edge.pipeline.remote.settings import Fleet

# The command in a process of its own, without counting MACs, which takes torch ten seconds.
SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from scunext_edge import cli
from scunext_edge.pipeline.complexity import Complexity
from scunext_edge.pipeline.remote import bench
bench.complexities = lambda subjects, *_: {it.label: Complexity(model=it.label) for it in subjects}
cli.main()
"""


@pytest.fixture
def command(network, tmp_path):
    """The arguments of a benchmark of one row on the device ``pi``."""
    suite = tmp_path / "suite.toml"
    suite.write_text("rounds = 50\nwarmup = 1\nvalues = 5\nduration_s = 0.2\nmemory = false\n")
    return [
        *(sys.executable, "-c", SCRIPT, "bench", "unext", "--remote", "pi", "-b", "native"),
        *("-p", "int8", "--ssh-config", network.config, "--suite", suite, "-o", tmp_path / "run"),
    ]


def test_ctrl_c_ends_what_runs_there_removes_it_and_keeps_what_came(
    network, python, native_library, command, tmp_path
):
    if "site-packages" not in str(native_library):
        pytest.skip("libscunext is not installed here")
    machine = network.device(python=python)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    stored = tmp_path / "run" / "hosts" / "pi" / "records"
    deadline = time.monotonic() + 60
    while not list(stored.glob("*.json")) and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, talk = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, "")
    assert "interrupted: what was finished is kept" in talk
    assert "Traceback" not in talk
    assert len(list(stored.glob("*.measurement.json"))) == 1
    assert list(machine.tmp.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--remote", "-oProxyCommand=id"], "is no machine that ssh could reach"),
        (["--remote", "@none.txt"], "none.txt cannot be read"),
        (["--remote", "pi", "--ssh-config", "none"], "none is no file"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    capsys, monkeypatch, tmp_path, arguments, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["scunext-edge", "bench", "unext", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_fleet_measures_on_one_machine_at_least():
    with pytest.raises(ConfigError, match="0 machines at a time"):
        Fleet(hosts=hosts(["pi"]), jobs=0)
