"""The record of a first start: on which machine which form passed, and which one is in use."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from scunext_edge import __version__
from scunext_edge.benchmarks.passport import machine
from scunext_edge.errors import ArtifactError
from scunext_edge.storage import read_record, write_json

# 1: first form
SCHEMA = 1
KIND = "device-acceptance"
RECORD = "acceptance.json"
ENGINES = "engines"  # folder of what was built here

Outcome = Literal["passed", "failed", "unavailable"]

_IDENTITY = ("architecture", "cpu_model", "isa", "board", "l4t", "gpu_name", "gpu_driver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of one rung."""

    name: str
    outcome: Outcome
    reason: str | None = None  # why it did not pass
    checks: tuple[Mapping[str, Any], ...] = ()
    times_ms: Mapping[str, float] | None = None  # compute, transfer, end_to_end; medians
    claim_ms: float | None = None  # of compute, on the machine where it was measured
    artifact_id: str | None = None
    version: str | None = None  # of the engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The whole record."""

    created: str
    bundle: str  # where it lay
    bundle_id: str
    key_id: str  # of the key that its signature was checked with
    machine: Mapping[str, Any]  # all that is known
    identity: Mapping[str, Any]  # what must not change
    versions: Mapping[str, str | None]
    trials: tuple[Trial, ...] = field(default_factory=tuple)
    activated: str | None = None  # the rung in use; null: none passed

    def trial(self, name: str) -> Trial:
        """The trial of a rung."""
        return next(trial for trial in self.trials if trial.name == name)


def fastest(trials: tuple[Trial, ...]) -> str | None:
    """The rung that passed and takes least time with its copies; the higher one of equals."""
    passed = [it for it in trials if it.outcome == "passed" and it.times_ms is not None]
    best = min(passed, key=lambda it: it.times_ms["transfer"] if it.times_ms else 0, default=None)
    return best.name if best else None


def this_machine() -> tuple[dict[str, Any], dict[str, Any]]:
    """All that is known of this machine, and what of it makes an acceptance void if it differs."""
    known = machine()
    identity = {name: known.get(name) for name in _IDENTITY}
    return known, {**identity, "machine_id": _machine_id()}


def these_versions() -> dict[str, str | None]:
    """Of what computes a mask beside the engine."""
    packages = {name: _version(name) for name in ("numpy", "pillow")}
    return {"scunext-edge": __version__, "python": platform.python_version(), **packages}


def save(state: Path, acceptance: Acceptance) -> None:
    """Write the record, atomically."""
    write_json(state / RECORD, {"schema": SCHEMA, "kind": KIND, **asdict(acceptance)})


def load(state: Path) -> Acceptance | None:
    """Read the record; None where this device has accepted nothing yet."""
    path = state / RECORD
    if not path.exists():
        return None
    content = read_record(path, kind=KIND, schema=SCHEMA)
    try:
        fields = {name: content[name] for name in Acceptance.__slots__}
        trials = tuple(Trial(**{**it, "checks": tuple(it["checks"])}) for it in fields["trials"])
        return Acceptance(**{**fields, "trials": trials})
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} is no complete acceptance: {error!r}", hint="start the bundle again"
        ) from error


def _machine_id(path: Path = Path("/etc/machine-id")) -> str | None:
    """The installation's id, hashed, since it is not to be shown as it is."""
    try:
        content = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return hashlib.sha256(f"scunext-edge {content}".encode()).hexdigest()[:16] if content else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
