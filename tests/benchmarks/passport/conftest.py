"""Files of machines that are not at hand, and tools that answer as theirs do."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _no_gpu_of_this_machine(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)


@pytest.fixture
def write(tmp_path):
    """Write ``{path below the root: text}``; returns the root."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def nobody(*command, first_line=False):
    """A machine without any tool."""


def tools(**answers):
    """A machine whose tools print these texts: ``tools(nvpmodel="NV Power Mode: ...")``."""

    def ask(*command, first_line=False):
        return answers.get(command[0].replace("-", "_"))

    return ask


@pytest.fixture(name="nobody")
def _nobody():
    return nobody


@pytest.fixture(name="tools")
def _tools():
    return tools
