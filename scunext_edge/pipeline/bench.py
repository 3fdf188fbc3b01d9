"""The main job, stage by stage: export what is missing, time it, score it, gate it, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from scunext_edge.benchmarks.passport import machine
from scunext_edge.benchmarks.scenarios import calls_per_burst, harness_ns
from scunext_edge.benchmarks.schedule import Case, Step, run_cases
from scunext_edge.benchmarks.verdict import Drift, drift_of
from scunext_edge.data.datasets import Dataset
from scunext_edge.data.source import Source, calibration_images, test_images
from scunext_edge.errors import (
    BackendError,
    DataError,
    MeasurementError,
    ScunextEdgeError,
    StorageError,
)
from scunext_edge.evaluation.evaluate import evaluate
from scunext_edge.evaluation.gate import judge
from scunext_edge.evaluation.records import Evaluation
from scunext_edge.pipeline.complexity import Complexity, complexities
from scunext_edge.pipeline.entries import Entry, plan
from scunext_edge.pipeline.forms import Forms
from scunext_edge.pipeline.limits import with_limits
from scunext_edge.pipeline.pictures import choose_pictures
from scunext_edge.pipeline.rows import finished
from scunext_edge.pipeline.settings import Settings
from scunext_edge.pipeline.subjects import resolve
from scunext_edge.progress import Advance
from scunext_edge.provenance import tool
from scunext_edge.report import verdict as verdicts
from scunext_edge.report.records import read_run
from scunext_edge.report.write import ReportFiles, write_report
from scunext_edge.results import Row, to_json
from scunext_edge.runtime.registry import BackendStatus, statuses
from scunext_edge.storage import storage_errors, write_json

UNTRAINED_CALIBRATION = 4  # images; any range will do for a network whose masks mean nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a benchmark; ``content`` is that of ``results.json``."""

    rows: tuple[Row, ...]
    content: Mapping[str, Any]
    files: ReportFiles
    verdict: str  # in words
    passed: bool  # no row failed its gate
    wants_stable: bool = False  # was a latency that is not stable to be a failure?

    @property
    def exit_code(self) -> int:
        """1 if a gate said no; if not a single row ran, that of the reason; else 0.

        5 where a latency had to be stable and was not.
        """
        if not self.passed:
            return 1
        statuses = {row.status for row in self.rows}
        if self.wants_stable and {row.stability for row in self.rows} - {"stable", None}:
            return MeasurementError.exit_code
        if "ok" in statuses:
            return 0
        return MeasurementError.exit_code if "failed" in statuses else BackendError.exit_code


def bench(settings: Settings, *, advance: Advance = lambda what, done, of: None) -> Outcome:
    """Do the whole job in ``settings.out``; what is finished there already is not done again."""
    subjects = resolve(settings.models, settings.size)
    source = test_images(settings.data, part_name=settings.part, drawn=settings.drawn)
    dataset = source.open()
    with storage_errors(settings.out):
        (settings.out / "records").mkdir(parents=True, exist_ok=True)
    engines = {status.name: status for status in statuses(settings.backends)}
    entries = [entry for subject in subjects for entry in plan(subject, settings, engines)]
    export_forms(entries, settings, advance)
    counted = complexities(subjects, settings.out / "records", advance)
    _measure(entries, settings, engines, advance)
    _evaluate(entries, settings, engines, source, dataset, advance)
    _gate(entries, settings)
    drift = _drift(entries)
    rows = tuple(
        finished(entry, counted[entry.subject.label], max_cv=settings.max_cv, drift=drift)
        for entry in entries
    )
    rows, limits = with_limits(rows, entries, settings.out)
    content = _content(rows, settings, source, dataset, list(counted.values()))
    content |= {"roofline": limits}
    content |= {"drift": asdict(drift) if drift else None, "max_cv": settings.max_cv}
    write_json(settings.out / "results.json", content)
    choose_pictures(entries, source, dataset, settings.out / "pictures")
    files = write_report(settings.out)
    verdict = verdicts.judge(read_run(settings.out))
    return Outcome(
        rows=rows,
        content=content,
        files=files,
        verdict=verdict.text,
        passed=all(row.gate != "failed" for row in rows),
        wants_stable=settings.wants_stable,
    )


def _drift(entries: list[Entry]) -> Drift | None:
    """What the case that was run again at the end says of the machine."""
    found = (drift_of(it.row.key, it.record) for it in entries if it.record is not None)
    return next((it for it in found if it is not None), None)


def export_forms(entries: Sequence[Entry], settings: Settings, advance: Advance) -> None:
    """Give every entry that can run its artifact; one form serves all entries that load it."""
    forms: dict[str, Forms] = {}
    calibration = _calibration(entries, settings)
    for done, entry in enumerate(entries):
        advance("exports", done, len(entries))
        if entry.row.status != "ok":
            continue
        subject = entry.subject
        if subject.label not in forms:
            images = calibration if subject.trained else Source(count=UNTRAINED_CALIBRATION)
            forms[subject.label] = Forms(subject, settings.out / "artifacts", images)
        row = entry.row
        try:
            entry.artifact = forms[subject.label].get(row.backend, row.precision, row.quantizer)
        except (DataError, StorageError):
            raise  # no fault of this row: the others would meet it too
        except ScunextEdgeError as error:
            entry.fail(error)
    advance("exports", len(entries), len(entries))


def _calibration(entries: Sequence[Entry], settings: Settings) -> Source:
    """The folder's calibration part where a trained network is to be quantized, else drawn ones."""
    needed = any(entry.subject.trained and entry.row.precision == "int8" for entry in entries)
    return calibration_images(settings.data if needed else None)


def _measure(
    entries: list[Entry],
    settings: Settings,
    engines: Mapping[str, BackendStatus],
    advance: Advance,
) -> None:
    measured = {
        entry.row.key: entry for entry in entries if entry.artifact and entry.row.status == "ok"
    }
    cases = [
        Case(
            name=key,
            artifact=entry.artifact,
            backend=entry.row.backend,
            device=entry.row.device,
            backend_version=engines[entry.row.backend].version,
        )
        for key, entry in measured.items()
        if entry.artifact
    ]

    def on_progress(step: Step) -> None:
        advance("processes timed", step.done + 1, step.total)

    for case, record in run_cases(
        cases, settings.suite, folder=settings.out / "records", on_progress=on_progress
    ):
        measured[case.name].take(record)


def _evaluate(
    entries: list[Entry],
    settings: Settings,
    engines: Mapping[str, BackendStatus],
    source: Source,
    dataset: Dataset,
    advance: Advance,
) -> None:
    scored = [
        entry
        for entry in entries
        if entry.subject.trained and entry.artifact and entry.row.status == "ok"
    ]
    for done, entry in enumerate(scored):
        advance("rows scored", done, len(scored))
        assert entry.artifact is not None
        try:
            entry.evaluation = evaluate(
                entry.artifact,
                entry.row.backend,
                source,
                device=entry.row.device,
                threads=entry.row.threads,
                record=settings.out / "records" / f"{entry.row.key}.evaluation.json",
                dataset=dataset,
                backend_version=engines[entry.row.backend].version,
            )
        except (DataError, StorageError):
            raise  # no fault of this row: the others would meet it too
        except ScunextEdgeError as error:
            entry.fail(error)
    advance("rows scored", len(scored), len(scored))


def _gate(entries: list[Entry], settings: Settings) -> None:
    """Each network's first FP32 row is the reference for its others, wherever they stand."""
    references: dict[str, Evaluation] = {}
    for entry in entries:
        label = entry.subject.label
        if entry.evaluation and label not in references and entry.row.precision == "fp32":
            references[label] = entry.evaluation
            entry.is_reference = True
    for entry in entries:
        reference = references.get(entry.subject.label)
        if entry.evaluation and reference and not entry.is_reference:
            entry.verdict = judge(
                reference,
                entry.evaluation,
                limits=settings.limits,
                confidence=settings.confidence,
            )


def _content(
    rows: tuple[Row, ...],
    settings: Settings,
    source: Source,
    dataset: Dataset,
    counted: list[Complexity],
) -> dict[str, Any]:
    metric, limit = next(iter(settings.limits.items()))
    plan = settings.suite.plan
    data = {"name": source.name, "split": source.part, "images": len(dataset)}
    if settings.data is None:
        data["note"] = (
            "lesions drawn by this package: they show whether an export broke the network, "
            "and say nothing about patients"
        )
    content = to_json(
        rows,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tool=dict(tool()),
        environment=machine(),
        data={**data, "hash": dataset.hash, "licence": settings.licence},
    )
    return content | {
        "suite": settings.suite.name,
        "gate": {
            "metric": metric,
            "limit": limit,
            "limits": dict(settings.limits),
            "confidence": settings.confidence,
        },
        "complexity": [entry.to_json() for entry in counted],
        "trainings": list(settings.trainings),
        "harness_cost_ns": harness_ns(plan, calls=calls_per_burst(plan, settings.suite.batch)),
        "command": list(settings.command) or None,
    }
