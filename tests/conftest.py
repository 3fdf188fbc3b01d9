"""libscunext for tests, the installed one or one built here; what this processor cannot do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scunext_edge.benchmarks.passport import machine
from scunext_edge.errors import BackendMissing
from scunext_edge.kernels import native
from scunext_edge.runtime.precision import sums_saturate

SOURCES = Path(native.__file__).parent / "csrc"


@pytest.fixture(scope="session")
def native_library(tmp_path_factory):
    """The path of libscunext; in this process ``native.find_library`` finds the same one.

    SCUNEXT_LIBRARY names one to test instead of the installed one.
    """
    path = Path(os.environ["SCUNEXT_LIBRARY"]) if "SCUNEXT_LIBRARY" in os.environ else _installed()
    path = path or _built(tmp_path_factory.mktemp("native"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native.package, "__path__", [str(path.parent), *native.package.__path__])
        yield path


@pytest.fixture(scope="session")
def openvino_saturates():
    """Whether OpenVINO's INT8 is another network here, because its sums overflow.

    ONEDNN_MAX_CPU_ISA=AVX2 makes any x86 processor such a one.
    """
    held = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    narrow = held in {"SSE41", "AVX", "AVX2", "AVX512_CORE"}
    return narrow or sums_saturate("openvino", "int8", machine()["isa"] or ())


def _installed():
    try:
        return native.find_library()
    except BackendMissing:
        return None


def _built(folder):
    if not shutil.which("cmake"):
        pytest.skip("libscunext is not installed, and there is no cmake to build it with")
    for command in (
        ["cmake", "-S", SOURCES, "-B", folder, "-DCMAKE_BUILD_TYPE=Release"],
        ["cmake", "--build", folder, "--parallel", "2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if "CMAKE_CXX_COMPILER" in done.stderr:
            pytest.skip("libscunext is not installed, and there is no C++ compiler to build it")
        assert done.returncode == 0, done.stdout + done.stderr
    (library,) = folder.rglob("libscunext.*")
    return library
