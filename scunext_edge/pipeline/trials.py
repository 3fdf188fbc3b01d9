"""Does ``compare`` keep its word here? Pairs of equal runs, and pairs with a slowdown planted.

``python -m scunext_edge.pipeline.trials``: of the pairs of equal runs few may be called different
or inconclusive, of those in which the second run really is slower most must be called slower.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from scunext_edge import provenance
from scunext_edge.artifacts import Artifact
from scunext_edge.benchmarks.compare import MIN_EFFECT, Comparison, compare
from scunext_edge.benchmarks.intervals import binomial
from scunext_edge.benchmarks.passport import machine
from scunext_edge.benchmarks.records import Record
from scunext_edge.benchmarks.schedule import WORKER, Case, run_cases
from scunext_edge.benchmarks.suite import Suite
from scunext_edge.errors import ArtifactError, MeasurementError
from scunext_edge.pipeline import trials_worker
from scunext_edge.progress import Advance, progress_bar
from scunext_edge.storage import read_record, write_json
from scunext_edge.weights.shipped import shipped

SCHEMA = 1
KIND = "trials"
SLOWDOWN = 0.10
# What the pairs must show
MOST_DIFFERENT = 0.05  # of equal pairs, by the binomial interval of what was found
MOST_INCONCLUSIVE = 0.10
LEAST_FOUND = 0.90  # of slower pairs
_TWO_SIDED = 0.05
SUITE = Suite(name="trials", rounds=10, warmup=20, values=150, memory=False)

Sort = Literal["equal", "slower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One pair; per run the median of each process, in ns, in the order they ran."""

    sort: Sort
    number: int
    a_first: bool
    a_medians_ns: tuple[float, ...]
    b_medians_ns: tuple[float, ...]
    answer: str
    ratio: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often each answer was given, of equal and of slower pairs."""

    equal: dict[str, int]
    slower: dict[str, int]

    @property
    def passed(self) -> bool:
        """Whether the three limits hold."""
        return not self.failures()

    def failures(self) -> list[str]:
        """Which of the limits do not hold, in words."""
        pairs, slower = sum(self.equal.values()), sum(self.slower.values())
        different = self.equal.get("slower", 0) + self.equal.get("faster", 0)
        unclear, found = self.equal.get("inconclusive", 0), self.slower.get("slower", 0)
        # As many or more, were the rate exactly the limit: too rare to be luck?
        chance = 1 - (binomial(different - 1, pairs, MOST_DIFFERENT) if different else 0.0)
        failed = []
        if chance < _TWO_SIDED / 2:
            failed.append(f"{different} of {pairs} equal pairs were called different")
        if unclear > MOST_INCONCLUSIVE * pairs:
            failed.append(f"{unclear} of {pairs} equal pairs were inconclusive")
        if found < LEAST_FOUND * slower:
            failed.append(f"only {found} of {slower} slower pairs were called slower")
        return failed


def run_trials(
    pairs: int,
    out: Path,
    *,
    artifact: Artifact,
    backend: str,
    suite: Suite = SUITE,
    measure: Callable[[Path, bool], Record] | None = None,
    advance: Advance = lambda what, done, of: None,
) -> Counts:
    """Run ``pairs`` of each sort and write ``out`` after each; pairs that it holds are kept."""
    context: dict[str, Any] = {
        "artifact_id": artifact.id,
        "backend": backend,
        "suite": asdict(suite),
    }
    context |= {"machine": machine(), "slowdown": SLOWDOWN, "min_effect": MIN_EFFECT}
    trials, extra_ns = _stored(out, context)
    wanted = [(sort, number) for number in range(pairs) for sort in get_args(Sort)]
    done = {(trial.sort, trial.number) for trial in trials}
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as folder:
        session = _Session(artifact, backend, suite, Path(folder), extra_ns)
        for at, (sort, number) in enumerate(wanted):
            advance("pairs of runs", at, len(wanted))
            if (sort, number) in done:
                continue
            if measure is None:
                session.calibrate()
            trials.append(_trial(sort, number, measure or session.measure))
            _save(out, context, trials, session.extra_ns)
    advance("pairs of runs", len(wanted), len(wanted))
    return counted(trials)


def counted(trials: Sequence[Trial]) -> Counts:
    """Answers by sort."""
    answers = {
        sort: dict(Counter(trial.answer for trial in trials if trial.sort == sort))
        for sort in ("equal", "slower")
    }
    return Counts(equal=answers["equal"], slower=answers["slower"])


class _Session:
    """Runs of one case, each in a folder that is emptied before."""

    def __init__(
        self, artifact: Artifact, backend: str, suite: Suite, folder: Path, extra_ns: int | None
    ) -> None:
        self.artifact, self.backend, self.suite, self.folder = artifact, backend, suite, folder
        self.extra_ns = extra_ns

    def calibrate(self) -> None:
        """Once: the slowdown is a share of what the case takes here."""
        if self.extra_ns is None:
            found = self.measure(Path("calibration"), False)
            self.extra_ns = round(SLOWDOWN * statistics.median(_medians(found)))

    def measure(self, name: Path, slower: bool) -> Record:
        """One whole run of the case."""
        folder = self.folder / name
        for old in folder.glob("*.json"):
            old.unlink()
        if slower:
            os.environ[trials_worker.PLANTED_NS] = str(self.extra_ns)
        case = Case(name="case", artifact=self.artifact, backend=self.backend)
        worker = trials_worker.__name__ if slower else WORKER
        ((_, record),) = run_cases([case], self.suite, folder=folder, worker=worker)
        if record.failure is not None:
            raise MeasurementError(record.failure.message, hint=record.failure.hint)
        return record


def _trial(sort: Sort, number: int, measure: Callable[[Path, bool], Record]) -> Trial:
    a_first = random.Random(f"{sort}-{number}").random() < 0.5
    order = ("a", "b") if a_first else ("b", "a")
    runs = {name: measure(Path(name), sort == "slower" and name == "b") for name in order}
    found: Comparison = compare(runs["a"], runs["b"])
    return Trial(
        sort=sort,
        number=number,
        a_first=a_first,
        a_medians_ns=_medians(runs["a"]),
        b_medians_ns=_medians(runs["b"]),
        answer=found.answer,
        ratio=found.ratio,
        low=found.low,
        high=found.high,
    )


def _medians(record: Record) -> tuple[float, ...]:
    return tuple(statistics.median(run.values_ns) for run in record.runs)


def _stored(out: Path, context: dict[str, Any]) -> tuple[list[Trial], int | None]:
    if not out.exists():
        return [], None
    data = read_record(out, kind=KIND, schema=SCHEMA)
    if data["context"] != _plain(context):
        raise ArtifactError(
            f"{out} holds trials of another case, machine or version",
            hint="choose another --out, or remove it",
        )
    tuples = ("a_medians_ns", "b_medians_ns")
    trials = [
        Trial(**{**entry, **{name: tuple(entry[name]) for name in tuples}})
        for entry in data["trials"]
    ]
    return trials, data["extra_ns"]


def _save(out: Path, context: dict[str, Any], trials: Sequence[Trial], extra: int | None) -> None:
    counts = counted(trials)
    write_json(
        out,
        {
            "schema": SCHEMA,
            "kind": KIND,
            "tool": dict(provenance.tool()),
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "context": context,
            "extra_ns": extra,
            "counts": asdict(counts),
            "failures": counts.failures(),
            "trials": [asdict(trial) for trial in trials],
        },
    )


def _plain(context: dict[str, Any]) -> Any:
    return json.loads(json.dumps(context))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where a limit does not hold."""
    parser = argparse.ArgumentParser(prog="python -m scunext_edge.pipeline.trials")
    parser.add_argument("--out", type=Path, default=Path("runs/trials.json"))
    parser.add_argument("--pairs", type=int, default=100, help="of each sort")
    asked = parser.parse_args(arguments)
    with progress_bar() as advance:
        counts = run_trials(
            asked.pairs,
            asked.out,
            artifact=shipped("unext", "native-int8"),
            backend="native",
            advance=advance,
        )
    for sort, answers in asdict(counts).items():
        said = ", ".join(f"{answer} {count}" for answer, count in answers.items())
        sys.stdout.write(f"{sort:8} {said}\n")
    for failure in counts.failures():
        sys.stdout.write(f"FAILED: {failure}\n")
    return 0 if counts.passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
