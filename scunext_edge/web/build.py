"""``python -m scunext_edge.web.build``, `make wasm`: compile the engine that the page ships.

The two modules lie in the repository, since a user's machine has no compiler for them. They are
reproducible: the same sources and compiler give the same bytes, whatever folder they lie in.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scunext_edge import __version__
from scunext_edge.errors import ArtifactError, ExportError, ScunextEdgeError
from scunext_edge.storage import new_directory, read_record, sha256_of, write_json

# 1: first form
SCHEMA = 1
KIND = "web-engine"
RECORD = "engine.json"
ENGINE = Path(__file__).parent / "engine"
MODULES = {"wasm": "scunext.wasm", "wasm_relaxed": "scunext-relaxed.wasm"}  # by instruction set
_SOURCES = Path(__file__).parent.parent / "kernels" / "csrc"
_TOOLCHAIN = _SOURCES / "wasm" / "toolchain.cmake"
_COMPILER = "clang++-16"
# Tests, and what is for other processors
_OTHERS = re.compile(r"tests/|example/|isa/kernels__(avx|neon|scalar)|simd/(avx|neon|emulated)")


def read_engine(folder: Path) -> dict[str, str]:
    """File name to SHA-256 of the modules in ``folder``; altered ones are an ``ArtifactError``."""
    record = read_record(folder / RECORD, kind=KIND, schema=SCHEMA)
    digests = {name: str(record["files"].get(name)) for name in MODULES.values()}
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != digest:
            raise ArtifactError(
                f"{path} is missing or not the file that {RECORD} names",
                hint="install scunext-edge again, or build the engine with `make wasm`",
            )
    return digests


def sources_sha256() -> str:
    """Over all that the modules are compiled from, and the version that they tell."""
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(_SOURCES.rglob("*")):
        name = path.relative_to(_SOURCES).as_posix()
        if path.is_file() and not _OTHERS.match(name):
            digest.update(f"\n{name} {sha256_of(path)}".encode())
    return digest.hexdigest()


def build_engine(out: Path) -> None:
    """Compile both modules into ``out``; nothing is left there when a tool is missing."""
    if not shutil.which(_COMPILER):
        packages = re.search(r"apt-get install (.+)", _TOOLCHAIN.read_text(encoding="utf-8"))
        raise ExportError(
            f"there is no {_COMPILER} to compile WebAssembly with",
            hint=f"apt-get install {packages[1]}" if packages else None,
        )
    with new_directory(out) as folder:
        for relaxed, name in zip(("OFF", "ON"), MODULES.values(), strict=True):
            _compile(folder / name, relaxed)
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "kind": KIND,
            "sources_sha256": sources_sha256(),
            "compiler": _run(_COMPILER, "--version").splitlines()[0],
            "files": {name: sha256_of(folder / name) for name in MODULES.values()},
        }
        write_json(folder / RECORD, record)


def _compile(target: Path, relaxed: str) -> None:
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as build:
        settings = (f"-DCMAKE_TOOLCHAIN_FILE={_TOOLCHAIN}", f"-DSCX_RELAXED={relaxed}")
        _run("cmake", "-S", str(_SOURCES), "-B", build, *settings)
        _run("cmake", "--build", build, "--target", "module", "--parallel", "2")
        shutil.copyfile(Path(build, target.name), target)


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except OSError as error:
        raise ExportError(f"{command[0]} does not start: {error}") from error
    except subprocess.CalledProcessError as error:
        raise ExportError(f"{' '.join(command)} failed:\n{error.stdout}{error.stderr}") from error


def main() -> int:
    """Build into the package; 0, or the exit code of an error."""
    try:
        build_engine(ENGINE)
    except ScunextEdgeError as error:
        sys.stderr.write(f"{error}\n{error.hint or ''}\n")
        return error.exit_code
    sys.stdout.write((ENGINE / RECORD).read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
