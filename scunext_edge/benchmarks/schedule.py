"""Who is measured when: rounds of fresh processes over all cases, stored as they finish."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scunext_edge import isolate
from scunext_edge.artifacts import Artifact
from scunext_edge.benchmarks import records
from scunext_edge.benchmarks.environment import machine
from scunext_edge.benchmarks.records import Failure, Memory, Record, Run, Subject
from scunext_edge.benchmarks.suite import Suite
from scunext_edge.errors import ConfigError, MeasurementError, ScunextEdgeError

WORKER = "scunext_edge.benchmarks.worker"

Kind = Literal["latency", "control", "memory"]


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
    one. After every process the record is written to
    ``folder/NAME--REGION.measurement.json``, so an interruption loses one process at most, and
    what a record already holds of the same subject and plan is not done again. A case that
    fails carries its reason and stops no other; the next call tries it again.
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
        if order:
            order.append((order[0][0], "control", self.suite.rounds))
        if self.suite.memory:
            order += [(case, "memory", 0) for case in self._shuffled(self.suite.rounds)]
        return order

    def take(self, case: Case, kind: Kind, round_: int) -> None:
        """Do one step unless it is done, or its case has failed; store what came of it."""
        record = self.records[case.name]
        if record.failure is not None or self._is_done(record, kind, round_):
            return
        self.timed_anew |= kind == "latency"
        try:
            answer = isolate.call(
                self.worker,
                self._job(record, case, kind),
                timeout_s=self.suite.timeout_s,
                env=isolate.thread_limits(self.suite.threads),
            )
            record = self._grown(record, answer, kind)
        except ScunextEdgeError as error:
            record = replace(record, failure=_failure(error))
        self.records[case.name] = record
        records.save(self._path(case), record)

    def _is_done(self, record: Record, kind: Kind, round_: int) -> bool:
        """A control is one only after everything else, so any new value asks for a new one."""
        if kind == "control":
            return record.control is not None and not self.timed_anew
        return record.memory is not None if kind == "memory" else len(record.runs) > round_

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

    def _job(self, record: Record, case: Case, kind: str) -> dict[str, Any]:
        return {
            "asks_precision": record.subject.precision_ran is None,
            "kind": "memory" if kind == "memory" else "latency",
            "artifact": str(case.artifact.directory),
            "backend": case.backend,
            "device": case.device,
            "threads": self.suite.threads,
            "batch": self.suite.batch,
            "cpus": list(self.suite.cpus),
            "seed": self.suite.seed,
            "plan": asdict(self.suite.plan),
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
        if "memory" in answer:
            return replace(record, subject=subject, memory=Memory(**answer["memory"]))
        told = answer["run"]
        run = Run(
            started=told["started"],
            environment={"machine": self.machine, **told["environment"]},
            warmup_ns=tuple(told["warmup_ns"]),
            values_ns=tuple(told["values_ns"]),
            open_ms=told["open_ms"],
            harness_ns=told["harness_ns"],
        )
        if kind == "control":
            return replace(record, subject=subject, control=run)
        return replace(record, subject=subject, runs=(*record.runs, run))

    def _shuffled(self, round_: int) -> list[Case]:
        """Every second round is the one before it backwards."""
        shuffle = random.Random(f"{self.suite.seed}-{round_ // 2}")
        order = shuffle.sample(self.cases, len(self.cases))
        return order[::-1] if round_ % 2 else order

    def _path(self, case: Case) -> Path:
        return self.folder / f"{case.name}--{self.suite.region}.measurement.json"


def _failure(error: ScunextEdgeError) -> Failure:
    """The reason as it is stored: records are passed on, and a home directory names a person."""
    message, hint = (
        text and text.replace(str(Path.home()), "~") for text in (str(error), error.hint)
    )
    return Failure(kind=type(error).__name__, message=message or "no reason given", hint=hint)


def _engine(subject: Subject) -> str:
    return f"{subject.backend} {subject.backend_version} in {subject.precision_ran}"
