"""Tools of the machine are asked for a moment, and never missed."""

from __future__ import annotations

import os
import stat

import pytest

from scunext_edge.benchmarks.passport import sources


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Puts a shell script of this name and content where commands are looked for."""

    def put(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return put


def test_a_tool_answers(tool):
    tool("nvpmodel", 'echo "NV Power Mode: $1"; echo 2; echo noise >&2')
    assert sources.ask("nvpmodel", "-q") == "NV Power Mode: -q\n2"


def test_a_tool_that_never_ends_is_asked_for_one_line(tool):
    tool("tegrastats", "echo RAM 1/2MB; exec sleep 60")
    assert sources.ask("tegrastats", first_line=True) == "RAM 1/2MB"


@pytest.mark.parametrize("script", ["echo half of it; exit 3", "exit 0"])
def test_a_tool_that_fails_or_says_nothing_is_null(tool, script):
    tool("vcgencmd", script)
    assert sources.ask("vcgencmd", "get_throttled") is None


def test_a_tool_that_hangs_is_stopped(tool, monkeypatch):
    tool("nvidia-smi", "exec sleep 60")
    monkeypatch.setattr(sources, "_PATIENCE_S", 0.2)
    assert sources.ask("nvidia-smi") is None


def test_a_tool_that_is_not_there_is_null(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert sources.ask("nvidia-smi") is None
