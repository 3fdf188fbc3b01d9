"""What is found on a device, and what is refused in words, over a real sshd."""

from __future__ import annotations

import platform
import socket
import sys
from pathlib import Path

import pytest

from scunext_edge.errors import BackendUnavailable, MeasurementError
from scunext_edge.pipeline.remote import look
from scunext_edge.pipeline.remote.probe import probe


def fake_python(folder, version):
    """A python3 that finds itself too old."""
    folder.mkdir()
    (folder / "python3").write_text(f"#!/bin/sh\nprintf {version}\nexit 3\n")
    (folder / "python3").chmod(0o755)
    return folder


def test_a_device_says_what_it_is(network, python):
    facts = probe(network.link(network.device(python=python)))
    assert facts.python == f"{python}/python3"
    assert facts.version == platform.python_version()
    assert (facts.system, facts.architecture) == (platform.system(), platform.machine())
    assert facts.packages == ["numpy", "PIL"]
    assert facts.machine_id == look.machine_id()
    assert facts.emulated is look.is_emulated()


def test_a_python_may_be_named(network, python, bare_python):
    link = network.link(network.device(python=bare_python))
    assert probe(link, f"{python}/python3").packages == ["numpy", "PIL"]
    home = network.device("home", python=bare_python, HOME=python)
    assert probe(network.link(home), "~/python3").python == f"{python}/python3"
    with pytest.raises(BackendUnavailable, match="/no/python does not run there"):
        probe(link, "/no/python")
    with pytest.raises(BackendUnavailable, match="; touch owned"):
        probe(link, "python3; touch owned")


def test_the_one_with_numpy_is_taken_where_there_are_several(network, python, bare_python):
    """As where numpy is in another than the system's own."""
    both = network.folder / "both"
    both.mkdir()
    (both / "python3").symlink_to(bare_python / "python3")
    (both / "python3.14").write_text(f'#!/bin/sh\nexec {python}/python3 "$@"\n')
    (both / "python3.14").chmod(0o755)
    facts = probe(network.link(network.device(python=both)))
    assert facts.python == f"{both}/python3.14"


@pytest.mark.parametrize("version", ["3.9.18", "2.7.18"])
def test_a_python_that_is_too_old_is_refused_by_its_version(network, tmp_path, version):
    machine = network.device(python=fake_python(tmp_path / "old", version))
    with pytest.raises(BackendUnavailable, match=f"its Python is {version}") as caught:
        probe(network.link(machine), "python3")
    assert "3.10" in str(caught.value)
    assert "--remote-python" in caught.value.hint


def test_a_python_without_numpy_is_refused_with_the_remedy(network, bare_python):
    machine = network.device(python=bare_python)
    with pytest.raises(BackendUnavailable, match="no numpy and no pillow") as caught:
        probe(network.link(machine), "python3")
    assert f"{bare_python}/python3 -m pip install numpy pillow" in caught.value.hint


def test_no_python_at_all(network, tmp_path):
    machine = network.device()
    with pytest.raises(BackendUnavailable, match="nowhere/python3 does not run there"):
        probe(network.link(machine), "nowhere/python3")


@pytest.mark.parametrize(
    ("spoil", "message", "hint"),
    [
        ("port", "Connection refused", "is sshd running there"),
        ("key", "Permission denied", "must work without a password"),
        ("host", "Could not resolve", "give it a Host entry"),
    ],
)
def test_a_device_that_cannot_be_reached_says_why(
    request, network, python, tmp_path, spoil, message, hint
):
    machine = network.device(python=python)
    link = network.link(machine)
    closed = socket.socket()  # bound, so that nobody else gets its port, and not listening
    request.addfinalizer(closed.close)
    closed.bind(("127.0.0.1", 0))
    if spoil == "port":
        text = network.config.read_text()
        assert str(machine.port) in text
        network.config.write_text(text.replace(str(machine.port), str(closed.getsockname()[1])))
    elif spoil == "key":
        (tmp_path / "user_key.pub").write_text("")
    else:
        network.config.write_text("Host pi\n  HostName no.such.host.invalid\n")
    with pytest.raises(MeasurementError, match=f"pi cannot be reached: .*{message}") as caught:
        probe(link)
    assert hint in caught.value.hint


def test_what_a_login_shell_prints_does_not_matter(network, python, tmp_path):
    """bash reads ~/.bashrc for commands of sshd too."""
    machine = network.device(python=python)
    (machine.folder / ".bashrc").write_text("echo welcome; echo warning >&2\n")
    assert probe(network.link(machine)).packages == ["numpy", "PIL"]


def test_this_process_is_not_emulated_and_the_check_sees_another_processor(monkeypatch):
    if not Path("/proc/self/exe").exists():
        pytest.skip("no /proc here")
    assert look.is_emulated() is False
    other = next(name for name in ("aarch64", "x86_64") if name != platform.machine())
    monkeypatch.setattr(look.platform, "machine", lambda: other)
    assert look.is_emulated() is True
    monkeypatch.setattr(look.platform, "machine", lambda: "pdp11")
    assert look.is_emulated() is None


def test_an_interpreter_that_only_a_wrapper_can_start_is_not_started_alone(monkeypatch):
    assert look.look("/wrapper")["worker_python"] == sys.executable
    monkeypatch.setattr(look.sys, "executable", "/no/interpreter")
    assert look.look("/wrapper")["worker_python"] == "/wrapper"
