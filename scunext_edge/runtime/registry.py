"""Backend name to module: the one border where an engine is imported, and only when asked for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from scunext_edge import isolate
from scunext_edge.artifacts import Artifact
from scunext_edge.errors import (
    BackendError,
    BackendMissing,
    BackendUnavailable,
    ConfigError,
    EngineError,
    missing_extra,
)
from scunext_edge.runtime.layers import Profiled
from scunext_edge.runtime.runner import Runner
from scunext_edge.spec import Format


class _Backend(NamedTuple):
    module: str  # in scunext_edge.runtime.backends
    engine: str | None  # what the engine's import is called
    formats: tuple[Format, ...]  # the forms of a model that it loads


_BACKENDS = {
    "torch": _Backend("eager", "torch", ("safetensors",)),
    "onnxruntime": _Backend("ort", "onnxruntime", ("onnx",)),
    "openvino": _Backend("ov", "openvino", ("openvino", "onnx")),
    "tensorrt": _Backend("trt", "tensorrt", ("tensorrt",)),
    "native": _Backend("native", None, ("native",)),
    "fake": _Backend("fake", None, ("safetensors", "onnx", "openvino", "tensorrt", "native")),
}
BACKENDS = tuple(_BACKENDS)
PROFILED = ("torch", "onnxruntime", "openvino", "native")  # that have ``open_profiled``
_PROBE_S = 60.0
_LARGE = 64 << 10
_HOW_TO_GET = {
    "safetensors": "give the checkpoint that it was exported from",
    "onnx": "scunext-edge export ARTIFACT --to onnx",
    "openvino": "scunext-edge export ARTIFACT --to openvino",
    "tensorrt": "scunext-edge export ARTIFACT --to tensorrt",
    "native": "scunext-edge export ARTIFACT --to native",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendStatus:
    """Whether an engine works on this machine, and if not, why and what to do about it."""

    name: str
    available: bool
    version: str | None = None
    devices: tuple[str, ...] = ()
    reason: str | None = None
    hint: str | None = None


def open_runner(
    artifact: Artifact, backend: str, *, device: str = "cpu", threads: int = 1
) -> Runner:
    """Load ``artifact`` with the named engine, importing that engine now and not before.

    A name that is no backend, or an artifact that the engine does not take, is a
    ``ConfigError``; otherwise ``BackendMissing``, ``BackendUnavailable`` or ``EngineError``.
    """
    _check_fit(artifact, backend)
    _check_threads(threads)
    module = backend_module(backend)
    runner: Runner = module.open_runner(artifact, device=device, threads=threads)
    return runner


def open_profiled(
    artifact: Artifact, backend: str, *, device: str = "cpu", threads: int = 1
) -> Profiled:
    """Open ``artifact`` with the engine's own profiler on; errors as of :func:`open_runner`.

    An engine without such a profiler here, or another device than a CPU, is a ``ConfigError``.
    """
    _check_fit(artifact, backend)
    _check_threads(threads)
    if device.partition("-")[0] != "cpu":
        raise ConfigError(
            f"layers are not timed on {device!r}", hint="use --device cpu; a GPU has its own tools"
        )
    opened = getattr(backend_module(backend), "open_profiled", None)
    if opened is None:
        raise ConfigError(
            f"{backend} tells no times of layers",
            hint=f"choose one of: {', '.join(PROFILED)}",
        )
    profiled: Profiled = opened(artifact, device=device, threads=threads)
    return profiled


def formats(backend: str) -> tuple[Format, ...]:
    """The artifact formats that a backend loads, the preferred one first."""
    return _find(backend).formats


def status(backend: str) -> BackendStatus:
    """Try the engine in a process of its own, so that a crashing import cannot end this one."""
    engine = _find(backend).engine
    try:
        if engine is not None and find_spec(engine) is None:
            raise _missing(backend, engine)
        answer = isolate.call(
            "scunext_edge.runtime.probe", {"backend": backend}, timeout_s=_PROBE_S
        )
    except BackendError as error:
        return BackendStatus(name=backend, available=False, reason=str(error), hint=error.hint)
    version, devices = answer["version"], tuple(answer["devices"])
    if not devices:
        return BackendStatus(
            name=backend,
            available=False,
            version=version,
            reason=f"{backend} {version} is installed but finds no device that it runs on",
            hint="check the device's driver",
        )
    return BackendStatus(name=backend, available=True, version=version, devices=devices)


def version_here(backend: str) -> str:
    """The version of an engine; ``BackendMissing`` with reason and remedy if it does not work."""
    found = status(backend)
    if not found.available or found.version is None:
        raise BackendMissing(found.reason or f"{backend} is not available", hint=found.hint)
    return found.version


def statuses(backends: Iterable[str] = BACKENDS) -> list[BackendStatus]:
    """The status of several backends, asked for at the same time, in the order given."""
    names = list(backends)
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return list(pool.map(status, names))


def engine_files(backend: str) -> list[Path]:
    """The large files (64 KiB and more) of an engine's package; none where it is not found."""
    engine = _find(backend).engine
    if backend == "native":
        from scunext_edge.kernels import native

        with suppress(BackendMissing):
            return [native.find_library()]
    found = find_spec(engine) if engine is not None else None
    folders = found.submodule_search_locations if found is not None else None
    return [
        path
        for folder in folders or ()
        for path in Path(folder).rglob("*")
        if path.is_file() and path.stat().st_size >= _LARGE
    ]


def backend_module(backend: str) -> ModuleType:
    """Import a backend's module. Missing, broken and misspelled are three different errors."""
    module_name, engine, _ = _find(backend)
    try:
        return import_module(f"scunext_edge.runtime.backends.{module_name}")
    except ImportError as error:
        missing = error.name or ""
        if engine is None or missing.startswith("scunext_edge"):
            raise  # a bug of ours
        if missing == engine and isinstance(error, ModuleNotFoundError):
            raise _missing(backend, engine) from error
        raise BackendUnavailable(  # e.g. a library or a package that the engine needs
            f"{engine} is installed but does not load: {error}",
            hint=f"pip install 'scunext-edge[{backend}]' brings the packages that it needs",
        ) from error
    except Exception as error:
        raise EngineError(f"{engine} failed while it was imported: {error}") from error


def _missing(backend: str, engine: str) -> BackendMissing:
    return missing_extra(engine, backend, needed_for=f"the {backend} backend")


def _find(backend: str) -> _Backend:
    if backend in _BACKENDS:
        return _BACKENDS[backend]
    near = difflib.get_close_matches(backend.lower(), BACKENDS, n=1)
    asked = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"there is no backend called {backend!r}",
        hint=f"{asked}choose one of: {', '.join(BACKENDS)}",
    )


def _check_threads(threads: int) -> None:
    if threads < 1:
        raise ConfigError(f"{threads} threads cannot run anything", hint="use 1 or more")


def _check_fit(artifact: Artifact, backend: str) -> None:
    taken = _find(backend).formats
    if artifact.card.format not in taken:
        raise ConfigError(
            f"{backend} loads {' or '.join(taken)}, and {artifact.directory} is "
            f"{artifact.card.format}",
            hint=_HOW_TO_GET[taken[0]],
        )
    # Some files run elsewhere, but give silently wrong results there.
    meant_for = artifact.card.details.get("for_engine", "any")
    if meant_for not in {"any", backend} and backend != "fake":
        raise ConfigError(
            f"{artifact.directory} was made for {meant_for} and gives wrong results in {backend}",
            hint=f"export this precision for {backend}",
        )
