"""Every error raised on purpose, with the exit code that the command ends with.

::

    ScunextEdgeError
    ├── ConfigError               2  the user's settings contradict each other or name nothing
    ├── DataError                 2  images or masks are missing, unreadable or no pairs
    ├── ArtifactError             4  a file is missing, altered, or not what its card says
    ├── ExportError               4  a model could not be turned into another format
    ├── BackendError              3
    │   ├── BackendMissing        3  the engine's Python package is not installed
    │   ├── BackendUnavailable    3  installed, but this machine cannot run it
    │   └── EngineError           3  the engine itself failed; its own exception is the cause
    ├── MeasurementError          5  a number could not be obtained honestly
    └── StorageError              4  a result could not be written (full disk, read-only folder)

Exit code 1 is no error: a gate or a check said no. 130 means interrupted.
"""

from __future__ import annotations

from importlib.util import find_spec


class ScunextEdgeError(Exception):
    """What went wrong and why; ``hint`` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(ScunextEdgeError):
    """The user's settings contradict each other or name nothing."""

    exit_code = 2


class DataError(ScunextEdgeError):
    """Images or masks are missing, unreadable or do not belong together."""

    exit_code = 2


class ArtifactError(ScunextEdgeError):
    """A file is missing, altered, or not what its card says."""

    exit_code = 4


class ExportError(ScunextEdgeError):
    """A model could not be turned into another format."""

    exit_code = 4


class StorageError(ScunextEdgeError):
    """A result could not be written."""

    exit_code = 4


class BackendError(ScunextEdgeError):
    """An engine cannot do what was asked."""

    exit_code = 3


class BackendMissing(BackendError):
    """The engine's Python package is not installed."""


class BackendUnavailable(BackendError):
    """The engine is installed, but this machine cannot run it."""


class EngineError(BackendError):
    """The engine itself failed; its own exception is the cause."""


class MeasurementError(ScunextEdgeError):
    """A number could not be obtained honestly."""

    exit_code = 5


def missing_extra(package: str, extra: str, *, needed_for: str) -> BackendMissing:
    """The error for an optional package that is not installed, and how to install it."""
    return BackendMissing(
        f"{needed_for} needs the package {package!r}, which is not installed",
        hint=f"pip install 'scunext-edge[{extra}]'",
    )


def require(package: str, extra: str, *, needed_for: str) -> None:
    """Raise ``BackendMissing`` unless ``package`` is installed; nothing is imported."""
    if find_spec(package) is None:
        raise missing_extra(package, extra, needed_for=needed_for)
