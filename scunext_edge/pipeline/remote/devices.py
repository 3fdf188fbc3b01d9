"""A machine of a fleet while its rows grow: what is planned for it, and what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.errors import ScunextEdgeError
from scunext_edge.pipeline.entries import Entry, plan
from scunext_edge.pipeline.remote import look
from scunext_edge.pipeline.remote.archive import library_for
from scunext_edge.pipeline.remote.hosts import Host
from scunext_edge.pipeline.remote.probe import Facts
from scunext_edge.pipeline.settings import Settings
from scunext_edge.pipeline.subjects import Subject
from scunext_edge.runtime.registry import BACKENDS, BackendStatus

_NOT_SENT = {
    "torch": "what is sent to a device is free of torch",
    "tensorrt": "an engine is built on the GPU that it is for, which is not done over SSH",
}


@dataclass(slots=True)
class Device:
    """One machine."""

    host: Host
    folder: Path  # of its run, here
    entries: list[Entry]
    facts: Facts | None = None  # null: it was refused or not reached
    failure: ScunextEdgeError | None = None  # what ended it early
    left: str | None = None  # behind there, in words

    @property
    def notes(self) -> tuple[str, ...]:
        """What concerns all of its rows."""
        found = (self.failure and str(self.failure), self.left)
        return tuple(note for note in found if note)


def planned(
    host: Host, facts: Facts | ScunextEdgeError, settings: Settings, subjects: Sequence[Subject]
) -> Device:
    """The rows of a machine; those that cannot run there say why."""
    folder = settings.out / "hosts" / host.name
    if isinstance(facts, ScunextEdgeError):
        entries = _entries(settings, subjects, {name: _works(name) for name in BACKENDS})
        for entry in entries:
            entry.fail(facts)
        return Device(host, folder, entries)
    return Device(host, folder, _entries(settings, subjects, engines_of(facts)), facts)


def _entries(
    settings: Settings, subjects: Sequence[Subject], engines: Mapping[str, BackendStatus]
) -> list[Entry]:
    return [entry for subject in subjects for entry in plan(subject, settings, engines)]


def engines_of(facts: Facts) -> dict[str, BackendStatus]:
    """What may run there, by what is installed. Whether it does is tried there, later."""
    found = {
        name: _lacks(name, why, "run `scunext-edge bench` on the device itself")
        for name, why in _NOT_SENT.items()
    }
    for name in look.ENGINES:
        found[name] = _works(name)
        if name not in facts.packages:
            reason = f"Python {facts.version} on the device has no {name}"
            found[name] = _lacks(name, reason, f"there: {facts.python} -m pip install {name}")
    found["native"] = _works("native")
    if isinstance(library := library_for(facts), str):
        found["native"] = _lacks("native", library, "start from a machine of that kind")
    return found


def _works(name: str) -> BackendStatus:
    return BackendStatus(name=name, available=True)


def _lacks(name: str, reason: str, hint: str) -> BackendStatus:
    return BackendStatus(name=name, available=False, reason=reason, hint=hint)
