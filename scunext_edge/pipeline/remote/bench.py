"""``bench --remote``: the same rows on other machines, with a folder for each of them."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from scunext_edge.artifacts import Artifact
from scunext_edge.benchmarks import records
from scunext_edge.benchmarks.records import Record
from scunext_edge.benchmarks.verdict import drift_of
from scunext_edge.errors import (
    BackendError,
    BackendMissing,
    MeasurementError,
)
from scunext_edge.pipeline.bench import export_forms
from scunext_edge.pipeline.complexity import Complexity, complexities
from scunext_edge.pipeline.entries import Entry
from scunext_edge.pipeline.remote import agent
from scunext_edge.pipeline.remote.archive import write_archive
from scunext_edge.pipeline.remote.devices import Device, planned
from scunext_edge.pipeline.remote.fleet import on_all
from scunext_edge.pipeline.remote.page import DeviceMatrix, device_matrix, write_page
from scunext_edge.pipeline.remote.probe import probe
from scunext_edge.pipeline.remote.session import Session, Work
from scunext_edge.pipeline.remote.settings import Fleet
from scunext_edge.pipeline.remote.ssh import Link
from scunext_edge.pipeline.rows import finished
from scunext_edge.pipeline.settings import Settings
from scunext_edge.pipeline.subjects import resolve
from scunext_edge.progress import Advance
from scunext_edge.provenance import tool
from scunext_edge.report.records import read_run
from scunext_edge.report.write import write_report
from scunext_edge.results import Row, to_json
from scunext_edge.storage import read_json, storage_errors, write_json

_UNSCORED = "no image was scored on this device: scores are those of a benchmark at home"
_EMULATED = (
    "the processor is emulated: its time and memory are in the record, and compared with nothing"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOutcome:
    """What came of all machines; ``content`` is that of ``fleet.json``."""

    rows: Mapping[str, tuple[Row, ...]]  # by the name of the machine
    matrix: DeviceMatrix
    content: Mapping[str, Any]
    markdown: Path
    wants_stable: bool = False

    @property
    def exit_code(self) -> int:
        """0 if every machine has a row with a number; else that of the reason."""
        return max(self._code(rows) for rows in self.rows.values())

    def _code(self, rows: Sequence[Row]) -> int:
        if self.wants_stable and {row.stability for row in rows} - {"stable", None}:
            return MeasurementError.exit_code
        statuses = {row.status for row in rows}
        if "ok" in statuses:
            return 0
        return MeasurementError.exit_code if "failed" in statuses else BackendError.exit_code


def bench_remote(
    settings: Settings, fleet: Fleet, *, advance: Advance = lambda what, done, of: None
) -> FleetOutcome:
    """Measure on every machine of the fleet; ``settings.out/hosts/NAME`` has the run of each.

    Forms are made here, times are taken there, and nothing is scored. What is finished is not
    done again. A machine that fails has rows that say why.
    """
    subjects = resolve(settings.models, settings.size)
    with storage_errors(settings.out):
        (settings.out / "records").mkdir(parents=True, exist_ok=True)
    advance, stop = _one_at_a_time(advance), threading.Event()
    links = {host: Link(host=host, config=fleet.config, stop=stop) for host in fleet.hosts}
    found = on_all(
        fleet.hosts,
        lambda host: probe(links[host], host.python or fleet.python),
        jobs=fleet.jobs,
        stop=stop,
    )
    devices = {host: planned(host, found[host], settings, subjects) for host in fleet.hosts}
    entries = [entry for device in devices.values() for entry in device.entries]
    export_forms(entries, settings, advance)
    counted = complexities(subjects, settings.out / "records", advance)
    machines = {host: it.facts.machine_id for host, it in devices.items() if it.facts}
    answers = on_all(
        tuple(machines),
        lambda host: _measure(devices[host], settings, fleet, links[host], advance),
        jobs=fleet.jobs,
        stop=stop,
        machines=machines,
    )
    for host, device in devices.items():
        device.failure = answers.get(host)
        _collect(device, settings)
    rows = {it.host.name: _finish(it, settings, counted) for it in devices.values()}
    runs = {name: read_run(settings.out / "hosts" / name) for name in rows}
    matrix = device_matrix(runs, {it.host.name: it.notes for it in devices.values()})
    content, markdown = write_page(settings.out, matrix)
    return FleetOutcome(
        rows=rows,
        matrix=matrix,
        content=content,
        markdown=markdown,
        wants_stable=settings.wants_stable,
    )


def _measure(
    device: Device, settings: Settings, fleet: Fleet, link: Link, advance: Advance
) -> None:
    """Send what can be measured there, and wait for its records."""
    assert device.facts is not None
    due = [entry for entry in device.entries if entry.artifact and entry.row.status == "ok"]
    if not due:
        return
    artifacts: dict[str, Artifact] = {}
    cases = []
    for entry in due:
        assert entry.artifact is not None
        folder = f"artifacts/{entry.artifact.id}"
        artifacts[folder] = entry.artifact
        row = entry.row
        cases.append(
            {"name": row.key, "artifact": folder, "backend": row.backend, "device": row.device}
        )
    job = {
        "backends": sorted({entry.row.backend for entry in due}),
        "suite": asdict(settings.suite),
        "cases": cases,
    }
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as scratch:
        archive = Path(scratch, "archive.tar")
        with storage_errors(archive):
            digest = write_archive(archive, job, artifacts, device.facts)
        work = Work(
            archive=archive,
            digest=digest,
            folder=device.folder,
            records=frozenset(_record(device, entry, settings).name for entry in due),
        )
        session = Session(link, device.facts, work, waits_s=fleet.waits_s, advance=advance)
        device.left = session.run(keep=fleet.keep)


def _record(device: Device, entry: Entry, settings: Settings) -> Path:
    suite = settings.suite
    name = records.file_name(entry.row.key, suite.region, suite.scenario)
    return device.folder / "records" / name


def _collect(device: Device, settings: Settings) -> None:
    """Give each entry its record, if it is about this; say why there is none or half of one."""
    path = device.folder / agent.DEVICE
    engines = read_json(path)["engines"] if device.facts and path.is_file() else {}
    for entry in device.entries:
        if entry.row.status != "ok" or entry.artifact is None:
            continue
        told = engines.get(entry.row.backend)
        if told and not told["available"]:
            entry.fail(BackendMissing(f"{device.host.name}: {told['reason']}", hint=told["hint"]))
            continue
        stored = _record(device, entry, settings)
        record = records.load(stored) if stored.is_file() else None
        if record is not None and _is_about(record, entry, settings):
            entry.take(record)
        if entry.row.status == "ok" and not (entry.record and entry.record.runs):
            entry.record = None
            entry.fail(
                device.failure or MeasurementError(f"{device.host.name} sent no record of it")
            )


def _is_about(record: Record, entry: Entry, settings: Settings) -> bool:
    """Whether an older record, of another run into the same folder, may stand for this row."""
    assert entry.artifact is not None
    suite = settings.suite
    return (record.subject.artifact_id, record.subject.threads, record.subject.batch) == (
        entry.artifact.id, suite.threads, suite.batch,
    ) and record.plan == suite.plan  # fmt: skip


def _finish(
    device: Device, settings: Settings, counted: Mapping[str, Complexity]
) -> tuple[Row, ...]:
    """Write the machine's ``results.json`` and its report."""
    emulated = device.facts.emulated if device.facts else None
    drifts = (drift_of(it.row.key, it.record) for it in device.entries if it.record is not None)
    drift = next((it for it in drifts if it is not None), None)
    rows = tuple(
        _with_doubt(
            finished(entry, counted[entry.subject.label], max_cv=settings.max_cv, drift=drift),
            entry,
            device,
            settings,
        )
        for entry in device.entries
    )
    if emulated:
        rows = tuple(_without_time(row) for row in rows)
    runs = [run for entry in device.entries if entry.record for run in entry.record.runs]
    machine = runs[0].environment.get("machine") if runs else None
    content = to_json(
        rows,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tool=dict(tool()),
        environment={**(machine if isinstance(machine, Mapping) else {}), "emulated": emulated},
        data={"name": None, "images": 0, "note": _UNSCORED},
    )
    content |= {
        "suite": settings.suite.name,
        "complexity": [it.to_json() for it in counted.values()],
        "harness_cost_ns": median([run.harness_ns for run in runs]) if runs else None,
        "drift": asdict(drift) if drift else None,
        "max_cv": settings.max_cv,
        "command": list(settings.command) or None,
    }
    with storage_errors(device.folder):
        (device.folder / "records").mkdir(parents=True, exist_ok=True)
    write_json(device.folder / "results.json", content)
    write_report(device.folder)
    return rows


def _with_doubt(row: Row, entry: Entry, device: Device, settings: Settings) -> Row:
    """A device that was lost on the way left rows of fewer processes than were asked for."""
    runs = len(entry.record.runs) if entry.record else settings.suite.rounds
    if row.status != "ok" or device.failure is None or runs >= settings.suite.rounds:
        return row
    broke_off = f"{runs} of {settings.suite.rounds} processes: {device.failure}"
    return replace(row, doubts=(broke_off, *row.doubts))


def _without_time(row: Row) -> Row:
    """Nobody may take it for a latency. The record keeps it."""
    if row.latency_ms is None:
        return row
    return replace(
        row,
        latency_ms=None,
        stability=None,
        stability_reasons=(),
        cold_start_ms=None,
        energy_mj=None,
        limit_share=None,
        bound_by=None,
        memory_mb=None,
        doubts=(_EMULATED, *row.doubts),
    )


def _one_at_a_time(advance: Advance) -> Advance:
    """Many threads report; what shows it expects one."""
    lock = threading.Lock()

    def locked(what: str, done: int, of: int) -> None:
        with lock:
            advance(what, done, of)

    return locked
