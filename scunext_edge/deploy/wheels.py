"""The runtime of a bundle: wheels for the target, and requirements that name each by its hash."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import scunext_edge
from scunext_edge import __version__
from scunext_edge.deploy.extras import extra, for_pip, missing
from scunext_edge.deploy.targets import Target
from scunext_edge.errors import ConfigError, ExportError, require
from scunext_edge.storage import sha256_of

# What this package needs by itself, without torch, and what checks signatures on the device.
NEEDED = ("numpy", "pillow", "typer", "rich", "cryptography")
NEEDED_BELOW_311 = ("tomli",)
ENGINES = {"onnxruntime": ("onnxruntime",), "native": ()}
_LIBRARY = "scunext_edge/kernels/libscunext.so"
_CROSS = {"aarch64": "aarch64-linux-gnu-g++", "x86_64": "x86_64-linux-gnu-g++"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A file that pip installs."""

    path: Path
    name: str
    version: str
    sha256: str


def check_python(python: str) -> str:
    """``python`` if it is a version that this package runs on, else a ``ConfigError``."""
    found = re.fullmatch(r"3\.(\d+)", python)
    if not found or int(found[1]) < 10:
        raise ConfigError(
            f"{python!r} is no version of Python that runs this", hint="e.g. 3.10, 3.11 or 3.12"
        )
    return python


def own_wheel(target: Target, given: Path | None, folder: Path) -> None:
    """Put this package's wheel for ``target`` into ``folder``: ``given``, or built from its source.

    The native library must be inside, for the target's processor.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if given is None:
        _build(target, folder)
    elif given.is_file():
        (folder / given.name).write_bytes(given.read_bytes())
    else:
        raise ConfigError(f"there is no wheel {given}", hint="give a file ending in .whl")
    (path,) = folder.glob("*.whl")
    _check_own(path, target)


def download(
    target: Target,
    python: str,
    backends: Sequence[str],
    source: Path | None,
    folder: Path,
    *,
    extras: Sequence[str] = (),
) -> None:
    """Fetch what ``backends`` and our ``extras`` need beside our wheel, with all that those need.

    From the index that pip is set up for, or with ``source`` from the files in that folder.
    Where this is the Python that runs here, in the versions that are installed here.
    """
    require("pip", "bundle", needed_for="collecting wheels")
    is_here = python == f"{sys.version_info.major}.{sys.version_info.minor}"
    (own,) = folder.glob("*.whl")
    wanted = _wanted(python, backends)
    for name in extras:
        wanted += [for_pip(it, is_here=is_here) for it in extra(own, name, target, python)]
    _fetch(target, python, wanted, source, folder)
    while lacking := missing(sorted(folder.glob("*.whl")), target, python):
        wanted = [for_pip(it, is_here=is_here) for it in lacking]
        _fetch(target, python, wanted, source, folder, "--no-deps")


def _fetch(
    target: Target,
    python: str,
    wanted: Sequence[str],
    source: Path | None,
    folder: Path,
    *options: str,
) -> None:
    """One call of pip; what it cannot find is an ``ExportError`` that names it."""
    tags = [word for tag in target.platforms for word in ("--platform", tag)]
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", python, *tags),
        *("--dest", str(folder), *options, *wanted),
    ]
    if source is not None:
        command += ["--no-index", "--find-links", str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise ExportError(
            f"the wheels for {target.name} and Python {python} cannot be had: "
            + ("; ".join(errors) or done.stderr.strip()[-500:]),
            hint="without a network give --wheels FOLDER, filled elsewhere with: pip "
            + " ".join(command[3:]).replace(f" --dest {folder}", ""),
        )


def found_in(folder: Path) -> list[Wheel]:
    """All wheels in a folder, by file name."""
    return [_wheel(path) for path in sorted(folder.glob("*.whl"))]


def requirements(wheels: Sequence[Wheel]) -> str:
    """A requirements file for ``pip install --require-hashes --no-deps``."""
    return "".join(f"{it.name}=={it.version} --hash=sha256:{it.sha256}\n" for it in wheels)


def _wanted(python: str, backends: Sequence[str]) -> list[str]:
    """With a version, what is installed here: that is what the evidence was measured with."""
    names = [*NEEDED, *(name for backend in backends for name in ENGINES.get(backend, ()))]
    minor = int(python.split(".")[1])
    if minor < 11:
        names += NEEDED_BELOW_311
    if "tensorrt" in backends:  # itself it is JetPack's: 6 has Python 3.10 and CUDA 12, 7 has 13
        names.append("cuda-bindings>=12.9,<13" if minor == 10 else "cuda-bindings>=13")
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        return names
    return [_pinned(name) for name in names]


def _pinned(name: str) -> str:
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:
        return name


def _build(target: Target, folder: Path) -> None:
    root = Path(scunext_edge.__file__).parent.parent
    if not (root / "pyproject.toml").is_file():
        raise ConfigError(
            "this installation has no source to build a wheel from",
            hint=f"give --wheel, a scunext_edge-{__version__} wheel for {target.machine}",
        )
    for package in ("build", "scikit_build_core"):
        require(package, "bundle", needed_for="building this package's wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    command += ["--skip-dependency-check", "--outdir", str(folder), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(target))
    if done.returncode:
        raise ExportError(
            f"the wheel for {target.machine} cannot be built: {done.stdout.strip()[-800:]}",
            hint="give one with --wheel",
        )


def _environment(target: Target) -> dict[str, str]:
    """As it is, or such that another processor's compiler is used and its name stands on the file.

    scikit-build-core and sysconfig read these two.
    """
    if os.uname().machine == target.machine:
        return dict(os.environ)
    settings = {
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": target.machine,
        "CMAKE_CXX_COMPILER": _CROSS[target.machine],
    }
    arguments = " ".join(f"-D{name}={value}" for name, value in settings.items())
    return {
        **os.environ,
        "CMAKE_ARGS": arguments,
        "_PYTHON_HOST_PLATFORM": f"linux-{target.machine}",
    }


def _check_own(path: Path, target: Target) -> None:
    """Without a compiler the build leaves the library out, and takes every platform for its own."""
    tag = path.stem.split("-")[-1]
    with zipfile.ZipFile(path) as opened:
        has_library = _LIBRARY in opened.namelist()
    if path.name.split("-")[:2] != ["scunext_edge", __version__]:
        raise ConfigError(
            f"{path.name} is not scunext_edge {__version__}",
            hint="the device must run the version that made the bundle",
        )
    if not has_library or not tag.endswith(f"_{target.machine}"):
        inside = "with" if has_library else "without"
        raise ExportError(
            f"{path.name} is a wheel {inside} the native library, and {target.name} needs one for "
            f"{target.machine}",
            hint=f"install a C++17 compiler for {target.machine} (Debian: "
            f"g++-{target.machine.replace('_', '-')}-linux-gnu), or give --wheel",
        )


def _wheel(path: Path) -> Wheel:
    """Name and version as the file's name has them: the specification of wheels fixes both."""
    name, number = path.name.split("-")[:2]
    return Wheel(
        path=path, name=name.replace("_", "-").lower(), version=number, sha256=sha256_of(path)
    )
