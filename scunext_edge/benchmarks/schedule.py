"""Who is measured when: rounds of fresh processes over all cases, stored as they finish."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from scunext_edge import isolate
from scunext_edge.artifacts import Artifact
from scunext_edge.benchmarks import energy, records
from scunext_edge.benchmarks.caches import drop_files
from scunext_edge.benchmarks.energy import Unreadable
from scunext_edge.benchmarks.measure import Soak
from scunext_edge.benchmarks.passport import machine
from scunext_edge.benchmarks.picture import photograph
from scunext_edge.benchmarks.records import ColdStart, Failure, Memory, Record, Subject
from scunext_edge.benchmarks.scenarios import window_s
from scunext_edge.benchmarks.suite import Suite
from scunext_edge.errors import ConfigError, MeasurementError, ScunextEdgeError
from scunext_edge.runtime.registry import engine_files

WORKER = "scunext_edge.benchmarks.worker"
COLD_WORKER = "scunext_edge.benchmarks.cold"

_TOLD_BY_ENGINE = ("backend_version", "precision_ran")  # null until it has run

Kind = Literal["latency", "control", "memory", "cold", "energy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to measure. ``name`` is unique within a call and fit for a file name."""

    name: str
    artifact: Artifact
    backend: str
    device: str = "cpu"
    backend_version: str | None = None  # if given, a record of another version begins anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One process that is about to start, or was found done, for who shows progress."""

    case: str
    kind: Kind
    round: int  # from 0
    done: int  # steps behind us
    total: int


def run_cases(
    cases: Sequence[Case],
    suite: Suite,
    *,
    folder: Path,
    on_progress: Callable[[Step], None] | None = None,
    worker: str = WORKER,
) -> Iterator[tuple[Case, Record]]:
    """Measure every case, and yield each with its record once it is complete or has failed.

    Each case and round is a process of its own. The order is shuffled, and every second round
    takes that of the round before backwards (ABBA), so that a steady drift of the machine hits
    all alike; the first case of all is run once more at the end, which shows whether there was
    one (but for a soak, which looks for that by itself). After every process the record is
    written to :func:`records.file_name` in ``folder``, so an interruption loses one process at
    most, and of a soak its last window; what a record already holds of the same subject and plan
    is not done again. A case that fails carries its reason and stops no other; the next call
    tries it again.
    """
    session = _Session(cases, suite, folder, worker)
    steps = session.steps()
    for done, (case, kind, round_) in enumerate(steps):
        if on_progress is not None:
            on_progress(Step(case=case.name, kind=kind, round=round_, done=done, total=len(steps)))
        session.take(case, kind, round_)
        last = all(case is not later for later, _, _ in steps[done + 1 :])
        if last:
            yield case, session.records[case.name]


class _Session:
    """The records of one call while they grow."""

    def __init__(self, cases: Sequence[Case], suite: Suite, folder: Path, worker: str) -> None:
        if len({case.name for case in cases}) != len(cases):
            raise ConfigError("two cases have the same name", hint="measure each once")
        self.suite = suite
        self.folder = folder
        self.worker = worker
        self.machine = machine()
        self.cases = list(cases)
        self.records = {case.name: self._begin(case) for case in cases}
        self.timed_anew = False

    def steps(self) -> list[tuple[Case, Kind, int]]:
        """Everything in order, what is done already included: the order must not depend on it."""
        order: list[tuple[Case, Kind, int]] = []
        for round_ in range(self.suite.rounds):
            order += [(case, "latency", round_) for case in self._shuffled(round_)]
        if order and self.suite.scenario != "soak":
            order.append((order[0][0], "control", self.suite.rounds))
        if self.suite.memory:
            order += [(case, "memory", 0) for case in self._shuffled(self.suite.rounds)]
        if self.suite.energy_s:
            order += [(case, "energy", 0) for case in self._shuffled(self.suite.rounds)]
        for start in range(self.suite.cold_starts):
            order += [(case, "cold", start) for case in self._shuffled(start)]
        return order

    def take(self, case: Case, kind: Kind, round_: int) -> None:
        """Do one step unless it is done, or its case has failed; store what came of it."""
        record = self.records[case.name]
        if record.failure is not None or self._is_done(record, kind, round_):
            return
        self.timed_anew |= kind == "latency"
        try:
            record = self._grown(record, self._answer(record, case, kind), kind)
        except ScunextEdgeError as error:
            record = replace(record, failure=_failure(error), unfinished=self._unfinished(case))
        except BaseException:  # Ctrl-C
            if kept := self._unfinished(case):
                records.save(self._path(case), replace(record, unfinished=kept))
                self._windows(case).unlink()
            raise
        self.records[case.name] = record
        records.save(self._path(case), record)
        self._windows(case).unlink(missing_ok=True)

    def _answer(self, record: Record, case: Case, kind: Kind) -> dict[str, Any]:
        """What the process said; of a cold start also what was prepared for it."""
        if kind == "energy" and (why_not := self._unreadable(case.device)) is not None:
            known = {name: getattr(record.subject, name) for name in _TOLD_BY_ENGINE}
            return {**known, "energy": asdict(why_not)}
        job, told = self._job(record, case, kind), {}
        if kind == "cold":
            files = [*case.artifact.directory.iterdir(), *engine_files(case.backend)]
            told["page_cache"] = drop_files(files)
            job |= {"photograph": self._photograph, "spawned_ns": time.monotonic_ns()}
        answer: dict[str, Any] = isolate.call(
            COLD_WORKER if kind == "cold" else self.worker,
            job,
            timeout_s=self.suite.timeout_s + self.suite.plan.least_s + 2 * self.suite.energy_s,
            env=isolate.thread_limits(self.suite.threads),
        )
        if kind == "cold":
            answer["cold"] |= told
        return answer

    @cached_property
    def _photograph(self) -> str:
        """The image file of a cold start, as JSON can hold it."""
        return base64.b64encode(photograph(self.suite.seed)).decode("ascii")

    @staticmethod
    @cache
    def _unreadable(device: str) -> Unreadable | None:
        """Why this machine tells no energy: then no process has to be started to learn it."""
        with energy.opened(device) as source:
            return source if isinstance(source, Unreadable) else None

    def _is_done(self, record: Record, kind: Kind, round_: int) -> bool:
        """A control is one only after everything else, so any new value asks for a new one."""
        if kind == "control":
            return record.control is not None and not self.timed_anew
        if kind == "memory":
            return record.memory is not None
        if kind == "energy":
            return record.energy is not None
        return len(record.cold if kind == "cold" else record.runs) > round_

    def _begin(self, case: Case) -> Record:
        """What is stored of this case, if it is the same case; otherwise an empty record."""
        fresh = Record(subject=self._subject(case), region=self.suite.region, plan=self.suite.plan)
        path = self._path(case)
        if not path.exists():
            return fresh
        stored = records.load(path)
        if not stored.agrees_with(fresh) or not self._is_here(case, stored):
            return fresh
        return replace(stored, failure=None)

    def _is_here(self, case: Case, stored: Record) -> bool:
        """Whether the stored runs come from this machine and this version of the engine."""
        machines = [run.environment.get("machine") for run in stored.runs]
        known, wanted = stored.subject.backend_version, case.backend_version
        return all(found == self.machine for found in machines) and (
            known is None or wanted is None or known == wanted
        )

    def _subject(self, case: Case) -> Subject:
        size = case.artifact.spec.size
        return Subject(
            artifact_id=case.artifact.id,
            backend=case.backend,
            device=case.device,
            threads=self.suite.threads,
            cpus=self.suite.cpus,
            precision=case.artifact.card.precision,
            input_shape=(self.suite.batch, size, size, 3),
            batch=self.suite.batch,
        )

    def _job(self, record: Record, case: Case, kind: Kind) -> dict[str, Any]:
        return {
            "asks_precision": record.subject.precision_ran is None,
            "kind": "latency" if kind == "control" else kind,
            "artifact": str(case.artifact.directory),
            "backend": case.backend,
            "device": case.device,
            "threads": self.suite.threads,
            "batch": self.suite.batch,
            "cpus": list(self.suite.cpus),
            "seed": self.suite.seed,
            "plan": asdict(self.suite.plan),
            "windows": str(self._windows(case)),
            "energy_s": self.suite.energy_s,
        }

    def _grown(self, record: Record, answer: dict[str, Any], kind: Kind) -> Record:
        subject = replace(
            record.subject,
            backend_version=answer["backend_version"],
            precision_ran=answer["precision_ran"] or record.subject.precision_ran,
        )
        known = record.subject.backend_version is not None
        if known and subject != record.subject:
            raise MeasurementError(
                f"the engine changed between two processes: {_engine(record.subject)}, then "
                f"{_engine(subject)}",
                hint="measure into another folder",
            )
        record = replace(record, subject=subject)
        if kind == "memory":
            return replace(record, memory=Memory(**answer["memory"]))
        if kind == "energy":
            return replace(record, energy=energy.from_json(answer["energy"]))
        if kind == "cold":
            return replace(record, cold=(*record.cold, ColdStart(**answer["cold"])))
        told = answer["run"]
        environment = {"machine": self.machine, **told["environment"]}
        run = records.run_from_json({**told, "environment": environment})
        if kind == "control":
            return replace(record, control=run)
        return replace(record, runs=(*record.runs, run), unfinished=None)

    def _shuffled(self, round_: int) -> list[Case]:
        """Every second round is the one before it backwards."""
        shuffle = random.Random(f"{self.suite.seed}-{round_ // 2}")
        order = shuffle.sample(self.cases, len(self.cases))
        return order[::-1] if round_ % 2 else order

    def _path(self, case: Case) -> Path:
        name = records.file_name(case.name, self.suite.region, self.suite.scenario)
        return self.folder / name

    def _windows(self, case: Case) -> Path:
        """Where a soak leaves its windows until its record is written: one JSON object a line."""
        path = self._path(case)
        return path.with_name(path.name.replace(".measurement.json", ".windows.jsonl"))

    def _unfinished(self, case: Case) -> Soak | None:
        """The windows that a soak left; a line that was cut off is none."""
        found = []
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            for line in self._windows(case).read_text(encoding="utf-8").splitlines():
                found.append(records.window_from_json(json.loads(line)))
        if not found:
            return None
        return Soak(window_s=window_s(self.suite.plan), windows=tuple(found), every=0)


def _failure(error: ScunextEdgeError) -> Failure:
    """The reason as it is stored: records are passed on, and a home directory names a person."""
    message, hint = (
        text and text.replace(str(Path.home()), "~") for text in (str(error), error.hint)
    )
    return Failure(kind=type(error).__name__, message=message or "no reason given", hint=hint)


def _engine(subject: Subject) -> str:
    return f"{subject.backend} {subject.backend_version} in {subject.precision_ran}"
