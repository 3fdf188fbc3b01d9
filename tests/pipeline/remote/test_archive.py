"""What goes over: enough to measure, free of torch, the same bytes for the same content."""

from __future__ import annotations

import ast
import dataclasses
import platform
import subprocess
import tarfile
from pathlib import Path

import pytest

import scunext_edge
from scunext_edge.pipeline.remote.archive import library_for, modules, write_archive
from scunext_edge.pipeline.remote.probe import Facts

PACKAGE = Path(scunext_edge.__file__).parent


@pytest.fixture
def facts():
    return Facts(
        python="/usr/bin/python3", worker_python="/usr/bin/python3", version="3.11.2",
        system=platform.system(), architecture=platform.machine(), packages=["numpy", "PIL"],
        machine_id="0" * 16, emulated=False,
    )  # fmt: skip


@pytest.fixture
def unpacked(tmp_path, tiny, facts):
    write_archive(tmp_path / "a.tar", {"cases": []}, {"artifacts/tiny": tiny}, facts)
    with tarfile.open(tmp_path / "a.tar") as archive:
        archive.extractall(tmp_path / "there", filter="data")
    return tmp_path / "there"


def test_the_same_content_is_the_same_bytes(tmp_path, tiny, facts):
    digests = {
        write_archive(tmp_path / f"{at}.tar", {"a": 1, "b": 2}, {"artifacts/tiny": tiny}, facts)
        for at in range(2)
    }
    assert len(digests) == 1
    assert (
        write_archive(tmp_path / "2.tar", {"a": 2}, {"artifacts/tiny": tiny}, facts) not in digests
    )


def test_every_module_that_goes_over_can_be_imported_there(unpacked, python):
    """By a Python that has numpy and pillow and nothing else: what they import is all there."""
    known = {"__init__", "fake", "native"}  # the other backends import their engines
    names = [
        ".".join(("scunext_edge", *path.with_suffix("").parts)).removesuffix(".__init__")
        for path in modules()
        if path.parent.name != "backends" or path.stem in known
    ]
    done = subprocess.run(
        [
            python / "python3",
            "-c",
            f"import importlib\nfor n in {names}: importlib.import_module(n)",
        ],
        cwd=unpacked,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_of_training_exporting_or_reporting_goes_over():
    parts = {path.parts[0] for path in modules()}
    assert not parts & {"training", "models", "export", "report", "evaluation", "weights"}
    assert Path("runtime/backends/ort.py") in modules()
    assert Path("runtime/backends/eager.py") not in modules()
    assert not [path for path in modules() if path.name.startswith("cli")]


def test_an_older_python_reads_every_module():
    for path in modules():
        ast.parse((PACKAGE / path).read_text(encoding="utf-8"), feature_version=(3, 10))


def test_python_3_10_needs_no_toml_reader(unpacked, python):
    """Below 3.11 a suite is read with tomli, and the device has none; the suite comes as JSON."""
    script = (
        "import sys\nsys.version_info = (3, 10, 12, 'final', 0)\n"
        "from pathlib import Path\n"
        "from scunext_edge.pipeline.remote import device\n"
        "class Status:\n    def tell(self, state, **more): pass\n"
        "suite = {'name': 's', 'rounds': 1, 'warmup': 1, 'values': 1}\n"
        "device._measure(Path.cwd(), {'backends': [], 'cases': [], 'suite': suite}, Status())\n"
        "assert 'tomllib' not in sys.modules\n"
    )
    done = subprocess.run(
        [python / "python3", "-c", script], cwd=unpacked, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_native_library_goes_where_it_may_run(native_library, unpacked, facts):
    assert library_for(facts) == native_library
    assert (unpacked / "scunext_edge" / "kernels" / native_library.name).is_file()
    other = dataclasses.replace(facts, architecture="riscv64")
    assert "and the device is Linux riscv64" in library_for(other)
