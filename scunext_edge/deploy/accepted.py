"""The form that was accepted here, opened; or why it may not be used any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scunext_edge import artifacts
from scunext_edge.artifacts import Artifact
from scunext_edge.deploy import acceptance
from scunext_edge.deploy.acceptance import Acceptance
from scunext_edge.deploy.bundle import Bundle, Rung, read
from scunext_edge.deploy.manifest import MANIFEST, compare
from scunext_edge.deploy.verify import id_of
from scunext_edge.quality.limits import FILE, Limits, load_limits
from scunext_edge.runtime.registry import backend_module, open_runner
from scunext_edge.runtime.runner import Runner

_AGAIN = "start the bundle again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Close the runner when done."""

    runner: Runner
    rung: Rung
    bundle: Bundle
    acceptance: Acceptance
    limits: Limits | None  # None: the bundle holds none


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What may be opened."""

    artifact: Artifact
    rung: Rung
    bundle: Bundle
    acceptance: Acceptance


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why nothing may be segmented here, and what to do about it."""

    reason: str
    hint: str


def open_accepted(state: Path) -> Accepted | Refusal:
    """Open the activated form if its acceptance still holds: bundle, machine, versions, files.

    The signature was checked at the start; now every file has to be what it was then.
    """
    found = find_accepted(state)
    if isinstance(found, Refusal):
        return found
    rung = found.rung
    path = found.bundle.directory / FILE
    limits = load_limits(path) if path.is_file() else None  # the manifest says what has to be there
    runner = open_runner(found.artifact, rung.backend, device=rung.device, threads=rung.threads)
    return Accepted(
        runner=runner,
        rung=rung,
        bundle=found.bundle,
        acceptance=found.acceptance,
        limits=limits,
    )


def find_accepted(state: Path) -> Found | Refusal:
    """All that ``open_accepted`` checks, without opening the form."""
    record = acceptance.load(state)
    if record is None:
        return Refusal(
            reason=f"nothing was accepted on this device yet: {state} holds no record",
            hint="run the bundle's run.sh, or python -m scunext_edge.deploy start",
        )
    if record.activated is None:
        reasons = "; ".join(f"{it.name}: {it.reason}" for it in record.trials)
        return Refusal(reason=f"no form passed on this device: {reasons}", hint=_AGAIN)
    if problem := _void(record):
        return Refusal(reason=f"the acceptance does not hold any more: {problem}", hint=_AGAIN)
    bundle = read(Path(record.bundle))
    rung = next(it for it in bundle.rungs if it.name == record.activated)
    trial = record.trial(rung.name)
    built = state / acceptance.ENGINES / rung.name
    artifact = artifacts.load(built if rung.is_built_on_device else bundle.directory / rung.model)
    version = backend_module(rung.backend).offers()[0]
    if artifact.id != trial.artifact_id or version != trial.version:
        problem = f"{rung.name} is another file or engine now ({rung.backend} {version})"
        return Refusal(reason=f"the acceptance does not hold any more: {problem}", hint=_AGAIN)
    return Found(artifact=artifact, rung=rung, bundle=bundle, acceptance=record)


def _void(record: Acceptance) -> str | None:
    _, identity = acceptance.this_machine()
    differing = [
        *_changed("machine", record.identity, identity),
        *_changed("version", record.versions, acceptance.these_versions()),
    ]
    if differing:
        return "; ".join(differing)
    folder = Path(record.bundle)
    path = folder / MANIFEST
    if not path.is_file() or path.is_symlink():
        return f"there is no bundle in {folder}"
    manifest = path.read_bytes()
    if id_of(manifest) != record.bundle_id:
        return f"{folder} holds another bundle, {id_of(manifest)}"
    return "; ".join(str(finding) for finding in compare(folder, manifest)) or None


def _changed(what: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"another {what}: {name} was {then.get(name)!r} and is {value!r}"
        for name, value in now.items()
        if then.get(name) != value
    ]
