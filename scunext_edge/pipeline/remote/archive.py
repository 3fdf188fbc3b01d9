"""What goes over: the modules that measuring needs, the models, the job. One tar file."""

from __future__ import annotations

import ast
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import scunext_edge
from scunext_edge.artifacts import CARD, Artifact
from scunext_edge.errors import BackendMissing
from scunext_edge.kernels import native
from scunext_edge.pipeline.remote.probe import Facts
from scunext_edge.storage import sha256_of

_PACKAGE = Path(scunext_edge.__file__).parent
# What is imported by its name while it runs; everything else follows from the imports in these.
_ENTRIES = (
    *("pipeline/remote/device.py", "benchmarks/**/*.py", "runtime/probe.py"),
    *(f"runtime/backends/{name}.py" for name in ("fake", "native", "ort", "ov", "trt")),
)
JOB = "job.json"


def write_archive(
    path: Path, job: Mapping[str, Any], artifacts: Mapping[str, Artifact], facts: Facts
) -> str:
    """Write the archive for one device; the SHA-256 is that of its bytes.

    ``artifacts`` by the folder that they get. The same content gives the same bytes.
    """
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, JOB, json.dumps(job, sort_keys=True).encode())
        for source in modules():
            _add(archive, f"scunext_edge/{source.as_posix()}", (_PACKAGE / source).read_bytes())
        library = library_for(facts)
        if isinstance(library, Path):
            _add(archive, f"scunext_edge/kernels/{library.name}", library.read_bytes())
        for folder, artifact in sorted(artifacts.items()):
            for name in (CARD, *sorted(artifact.digests)):
                _add(archive, f"{folder}/{name}", (artifact.directory / name).read_bytes())
    return sha256_of(path)


def library_for(facts: Facts) -> Path | str:
    """The native engine's library, if this machine's may run there; otherwise why not."""
    try:
        library = native.find_library()
    except BackendMissing as error:
        return str(error)
    here, there = (platform.system(), platform.machine()), (facts.system, facts.architecture)
    if here != there:
        return f"libscunext here is built for {' '.join(here)}, and the device is {' '.join(there)}"
    return library


@cache
def modules() -> tuple[Path, ...]:
    """The files that :data:`_ENTRIES` import, directly or not, with their packages; relative."""
    found: set[Path] = set()
    waiting = [path.relative_to(_PACKAGE) for name in _ENTRIES for path in _PACKAGE.glob(name)]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += _imported(ast.parse((_PACKAGE / path).read_text(encoding="utf-8")))
        waiting += [
            parent / "__init__.py"
            for parent in path.parents
            if (_PACKAGE / parent / "__init__.py").is_file()
        ]
    return tuple(sorted(found))


def _imported(tree: ast.AST) -> Iterable[Path]:
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            top, _, rest = name.partition(".")
            path = Path(*rest.split("."))
            if top != _PACKAGE.name or not rest:
                continue
            for file in (path.with_suffix(".py"), path / "__init__.py"):
                if (_PACKAGE / file).is_file():
                    yield file


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """A file without a date and without an owner."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))
