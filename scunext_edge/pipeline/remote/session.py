"""One device from the archive to its records: push, start, follow, tidy up; again after a break."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from scunext_edge.benchmarks import records
from scunext_edge.errors import ArtifactError, MeasurementError, ScunextEdgeError
from scunext_edge.pipeline.remote import agent
from scunext_edge.pipeline.remote.probe import Facts
from scunext_edge.pipeline.remote.ssh import (
    Interrupted,
    Link,
    LinkLost,
    error_of,
    unreachable,
)
from scunext_edge.progress import Advance
from scunext_edge.storage import new_file, read_json, sha256_of, storage_errors, write_json

T = TypeVar("T")
_STARTS = 3  # a process that dies is started again, and goes on from its records
_TIDY_TRIES = 3
_TOKEN = "remote.json"  # while there is a work folder there


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one device is to do."""

    archive: Path
    digest: str
    folder: Path  # of this device, here
    records: frozenset[str]  # the file names that may come back


class Session:
    """What happens on one device, over as many connections as it takes."""

    def __init__(
        self, link: Link, facts: Facts, work: Work, *, waits_s: tuple[float, ...], advance: Advance
    ) -> None:
        self.link, self.facts, self.work = link, facts, work
        self.waits_s, self.advance = waits_s, advance
        self.tries = 0  # since something new was heard
        self.status: dict[str, Any] | None = None
        self.token = _token(work.folder)

    def run(self, *, keep: bool) -> str | None:
        """Measure, and pull every record as it is written; raises why it could not.

        Nothing stays there, except with ``keep``. The answer is what could not be removed, in
        words: the next run into the same folder finds it.
        """
        try:
            self._measured()
        except (Interrupted, ScunextEdgeError) as error:
            if not keep and not isinstance(error.__cause__, LinkLost):
                self._tidy()
            raise
        return None if keep else self._tidy()

    def _measured(self) -> None:
        for _ in range(_STARTS):
            folder = self._patiently(self._place)
            self._patiently(lambda folder=folder: self._start(folder))  # type: ignore[misc]
            end = self._patiently(lambda folder=folder: self._follow(folder))  # type: ignore[misc]
            if end["end"] == "done":
                return
            if end["end"] == "failed" and isinstance(end.get("error"), Mapping):
                raise error_of(end["error"], self.link.host)
            if end.get("disk_is_full"):
                break
        raise MeasurementError(
            f"{self.link.host.name}: measuring broke off: {_reason(end)}",
            hint="what was measured is kept; start it again once this is mended",
        )

    def _place(self) -> str:
        """The work folder there; a new one if there is none, or one of something else."""
        found = self._ask("find", self.token)
        if found["digest"] == self.work.digest:
            return str(found["folder"])
        if found["folder"]:
            self._ask("remove", found["folder"])
        size = self.work.archive.stat().st_size
        arguments = (self.token, str(size), self.work.digest)
        for answer in self._heard("push", *arguments, file=self.work.archive):
            if "received" in answer:
                self._told("sent", int(answer["received"]) >> 10, size >> 10)
        return str(answer["folder"])

    def _start(self, folder: str) -> None:
        known = {path.name: path.read_text(encoding="utf-8") for path in self._stored()}
        facts = self.facts
        arguments = (folder, facts.python, facts.worker_python)
        for _ in self._heard("start", *arguments, payload=json.dumps(known).encode()):
            pass

    def _follow(self, folder: str) -> dict[str, Any]:
        known = {path.name: sha256_of(path) for path in self._stored()}
        for answer in self._heard("follow", folder, payload=json.dumps(known).encode()):
            if "file" in answer:
                self._store(str(answer["file"]), str(answer["text"]))
            elif isinstance(status := answer.get("status"), Mapping) and "total" in status:
                self._told("processes timed", int(status["done"]), int(status["total"]))
            elif "end" in answer:
                return answer
        raise LinkLost("the connection ended early")

    def _store(self, name: str, text: str) -> None:
        """Keep a file that came, if it is one that was asked for and can be read."""
        if name == agent.DEVICE:
            with new_file(self.work.folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
                _checked_device(temporary)
            return
        if name not in self.work.records:
            raise MeasurementError(f"{self.link.host.name} sent {name!r}, which nobody asked for")
        with new_file(self.work.folder / "records" / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
            records.load(temporary)

    def _stored(self) -> Iterator[Path]:
        for name in sorted(self.work.records):
            if (path := self.work.folder / "records" / name).is_file():
                yield path

    def _tidy(self) -> str | None:
        """Remove the work folder and whatever runs in it, or say why not; even after Ctrl-C."""
        self.link = replace(self.link, stop=Event())
        self.tries, self.waits_s = 0, self.waits_s[:_TIDY_TRIES]
        try:
            found = self._patiently(lambda: self._ask("find", self.token))
            if found["folder"]:
                self._patiently(lambda: self._ask("remove", found["folder"]))
        except ScunextEdgeError as error:
            return f"{agent.PREFIX}{self.token} is still on {self.link.host.name}: {error}"
        (self.work.folder / _TOKEN).unlink(missing_ok=True)
        return None

    def _patiently(self, attempt: Callable[[], T]) -> T:
        """Try again after a break, and again after longer waits, until the device stays away."""
        while True:
            try:
                return attempt()
            except LinkLost as lost:
                if self.tries >= len(self.waits_s):
                    raise unreachable(self.link.host, lost) from lost
                if self.link.stop.wait(self.waits_s[self.tries]):
                    raise Interrupted from lost
                self.tries += 1

    def _ask(self, verb: str, *arguments: str) -> dict[str, Any]:
        answer = self.link.ask(self.facts.python, verb, *arguments)
        self.tries = 0
        return answer

    def _heard(
        self, verb: str, *arguments: str, payload: bytes = b"", file: Path | None = None
    ) -> Iterator[dict[str, Any]]:
        answers = self.link.agent(self.facts.python, verb, *arguments, payload=payload, file=file)
        for answer in answers:
            if answer != self.status:  # on every connection the last one is told again
                self.tries = 0
            self.status = answer if "status" in answer else self.status
            yield answer

    def _told(self, what: str, done: int, of: int) -> None:
        self.advance(f"{self.link.host.name}: {what}", done, of)


def _token(folder: Path) -> str:
    """The name of this device's work folder: the same until it was removed."""
    path = folder / _TOKEN
    if path.is_file():
        token = str(read_json(path)["token"])
        if re.fullmatch(r"[0-9a-f]{32}", token):
            return token
    token = secrets.token_hex(16)
    with storage_errors(folder):
        write_json(path, {"token": token})
    return token


def _checked_device(path: Path) -> None:
    told = read_json(path)
    engines = told.get("engines") if isinstance(told, dict) else None
    if not isinstance(engines, dict) or not all(
        isinstance(each, dict) and {"available", "reason", "hint"} <= set(each)
        for each in engines.values()
    ):
        raise ArtifactError(f"{path} does not say which engines work there")


def _reason(end: Mapping[str, Any]) -> str:
    if end.get("disk_is_full"):
        return "the disk there is full"
    if end["end"] == "gone":
        return "its work folder vanished, again and again"
    return f"its process ended {_STARTS} times without a word: {end.get('log') or 'no output'}"
