"""The wheel holds the package with its data, and nothing beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from scunext_edge import __version__

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow  # compiles the native engine: `make test-long`


def build(folder, **environment):
    """A wheel, built without isolation, so that no network is needed."""
    pytest.importorskip("scikit_build_core", reason="it builds the wheel; of the extra dev")
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--quiet"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(build(tmp_path_factory.mktemp("wheel"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def metadata(wheel):
    return Parser().parsestr(wheel.read(f"{info()}/METADATA").decode())


def info():
    return f"scunext_edge-{__version__}.dist-info"


def test_the_top_level_is_the_package_and_its_metadata(wheel):
    assert {name.split("/")[0] for name in wheel.namelist()} == {"scunext_edge", info()}


@pytest.mark.parametrize(
    "kind",
    [
        *("py", "typed", "toml", "j2", "css", "json", "safetensors", "onnx", "scx", "c", "md"),
        *("html", "js", "svg", "wasm", "webmanifest", "h", "sh", "service"),
    ],
)
def test_every_file_of_the_package_is_inside(wheel, kind):
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "scunext_edge").rglob(f"*.{kind}")
        if is_tracked(path)
    }
    assert {it for it in files if "/csrc/" not in it} <= set(wheel.namelist())


def test_what_the_commands_read_is_inside(wheel):
    names = set(wheel.namelist())
    for name in (
        "py.typed",
        "benchmarks/suites/default.toml",
        "benchmarks/suites/full.toml",
        "training/presets/fast.toml",
        "training/presets/paper.toml",
        "report/templates/report.html.j2",
        "report/templates/style.css",
        "deploy/c/Makefile",
        "deploy/service/Dockerfile",
    ):
        assert f"scunext_edge/{name}" in names


def test_tests_and_caches_stay_outside(wheel):
    assert not [name for name in wheel.namelist() if "test" in name.lower() or "pycache" in name]


def test_the_native_engine_is_inside_and_not_its_sources(wheel):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler here")
    kernels = {n for n in wheel.namelist() if n.startswith("scunext_edge/kernels/")}
    assert "scunext_edge/kernels/libscunext.so" in kernels
    assert "scunext_edge/kernels/include/scunext.h" in kernels
    assert not [name for name in kernels if "csrc" in name]


def test_the_native_engine_is_small_and_needs_nothing_beside_it(wheel, tmp_path):
    """Every instruction set of a platform is in it; a C++ runtime is all that it may ask for."""
    if shutil.which("c++") is None or shutil.which("readelf") is None:
        pytest.skip("no C++ compiler or no readelf here")
    library = Path(wheel.extract("scunext_edge/kernels/libscunext.so", tmp_path))
    assert library.stat().st_size < 2_000_000
    done = subprocess.run(
        ["readelf", "--dynamic", str(library)], capture_output=True, text=True, check=True
    )
    needed = set(re.findall(r"\(NEEDED\).*\[(\w+)", done.stdout))
    assert needed <= {"libstdc", "libgcc_s", "libm", "libc", "libpthread", "ld"}


def test_one_wheel_serves_every_python_of_its_platform(wheel):
    tags = Parser().parsestr(wheel.read(f"{info()}/WHEEL").decode()).get_all("Tag")
    assert all(tag.startswith("py3-none-") for tag in tags)


def test_without_a_compiler_everything_else_is_still_built(tmp_path):
    path = build(tmp_path, CC="/no/compiler", CXX="/no/compiler")
    assert path.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(path) as opened:
        assert "scunext_edge/kernels/native.py" in opened.namelist()
        assert not [name for name in opened.namelist() if name.endswith(".so")]


def test_the_licence_is_inside(wheel):
    assert f"{info()}/licenses/LICENSE" in wheel.namelist()


def test_the_command_is_installed(wheel):
    entry_points = wheel.read(f"{info()}/entry_points.txt").decode()
    assert "scunext-edge = scunext_edge.cli:main" in entry_points


def test_the_base_installation_brings_no_engine(metadata):
    needed = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    names = {line.split(">")[0].split(";")[0].strip() for line in needed}
    assert names == {"numpy", "pillow", "typer", "rich", "tomli"}


def test_every_hint_names_an_extra_that_exists(metadata):
    from scunext_edge.doctor import examine

    extras = set(metadata.get_all("Provides-Extra"))
    assert {extra.name for extra in examine().extras} <= extras


def test_what_all_brings_has_no_tensorrt(metadata):
    quoted = [line.replace('"', "'") for line in metadata.get_all("Requires-Dist")]
    lines = [line for line in quoted if "extra == 'all'" in line]
    assert lines
    assert not [line for line in lines if "tensorrt" in line]


def is_tracked(path):
    """Whether git would ship this file; where there is no git, every file counts."""
    if not (ROOT / ".git").exists():
        return "__pycache__" not in path.parts
    done = subprocess.run(
        ["git", "-C", os.fspath(ROOT), "ls-files", "--error-unmatch", os.fspath(path)],
        capture_output=True,
    )
    return done.returncode == 0
