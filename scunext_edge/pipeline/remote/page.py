"""Several machines side by side: a line for each row, a column for each machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks import records, stats
from scunext_edge.report import numbers
from scunext_edge.report.markdown import plain, table
from scunext_edge.report.naming import full_name
from scunext_edge.report.records import Run
from scunext_edge.results import Latency, Stability, Status
from scunext_edge.storage import write_json, write_text

# 1: first form
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A machine. ``None``: the machine did not tell, or was not reached."""

    name: str
    hardware: str | None  # its board, else its processor
    cores: int | None
    os: str | None
    emulated: bool  # then nothing in this column may be compared with anything
    engines: Mapping[str, str]  # the versions that ran
    notes: Sequence[str]  # what went wrong with all of it, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A row on a machine. The latency of an emulated one is only to be shown."""

    status: Status
    reason: str | None
    latency_ms: Latency | None = None
    stability: Stability | None = None
    stability_reasons: Sequence[str] = ()
    emulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One model, engine and precision, with a cell for each machine, in the order of these."""

    key: str
    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMatrix:
    """All of it."""

    devices: Sequence[Column]
    lines: Sequence[Line]

    def to_json(self) -> dict[str, Any]:
        """The content of ``fleet.json``."""
        return {"schema": SCHEMA, "kind": "fleet", **asdict(self)}


def device_matrix(
    runs: Mapping[str, Run], notes: Mapping[str, Sequence[str]] | None = None
) -> DeviceMatrix:
    """From the run of each machine, by its name; with what there is to say of some of them."""
    names = {row.key: full_name(row) for run in runs.values() for row in run.rows}
    columns = {name: _column(run, list(names)) for name, run in runs.items()}
    said = notes or {}
    return DeviceMatrix(
        devices=tuple(_device(name, run, said.get(name, ())) for name, run in runs.items()),
        lines=tuple(
            Line(key=key, name=name, cells=tuple(cells[at] for cells in columns.values()))
            for at, (key, name) in enumerate(names.items())
        ),
    )


def write_page(folder: Path, matrix: DeviceMatrix) -> tuple[dict[str, Any], Path]:
    """Write ``fleet.json`` and ``fleet.md``; the content of the one, the path of the other."""
    content, markdown = matrix.to_json(), folder / "fleet.md"
    write_json(folder / "fleet.json", content)
    write_text(markdown, to_markdown(matrix))
    return content, markdown


def to_markdown(matrix: DeviceMatrix) -> str:
    """The table; what each machine is, and why its cells are empty or doubtful."""
    names = [device.name + " (emulated)" * device.emulated for device in matrix.devices]
    lines = [
        "# Devices",
        "",
        "Median latency in milliseconds with its 95 % interval, and whether it may be believed. "
        "What was skipped, failed or is doubtful is explained below.",
        "",
        *table(("row", *names), [_line(matrix, line) for line in matrix.lines]),
        *_notes(matrix),
    ]
    return "\n".join(lines) + "\n"


def _device(name: str, run: Run, notes: Sequence[str]) -> Column:
    of = run.environment
    versions = {
        record.subject.backend: record.subject.backend_version or "?"
        for record in _records(run).values()
    }
    return Column(
        name=name,
        hardware=of.get("board") or of.get("cpu_model"),
        cores=of.get("cores_logical"),
        os=of.get("os"),
        emulated=bool(of.get("emulated")),
        engines=dict(sorted(versions.items())),
        notes=tuple(notes),
    )


def _column(run: Run, keys: Sequence[str]) -> list[Cell]:
    rows = {row.key: row for row in run.rows}
    emulated = bool(run.environment.get("emulated"))
    stored = _records(run) if emulated else {}
    cells = []
    for key in keys:
        row, record = rows.get(key), stored.get(key)
        if row is None:
            cells.append(Cell(status="skipped", reason="it was not asked for", emulated=emulated))
            continue
        cells.append(
            Cell(
                status=row.status,
                reason=row.reason,
                latency_ms=stats.latency(record) if record else row.latency_ms,
                stability=row.stability,
                stability_reasons=tuple(row.stability_reasons),
                emulated=emulated,
            )
        )
    return cells


def _records(run: Run) -> dict[str, records.Record]:
    """Of an emulated machine the rows hold no latency, and so do not name their records."""
    if not run.environment.get("emulated"):
        return dict(run.measurements)
    return {
        row.key: records.load(path)
        for row in run.rows
        for path in (run.directory / "records").glob(f"{row.key}--*.measurement.json")
        if row.status == "ok"
    }


def _line(matrix: DeviceMatrix, line: Line) -> list[str | None]:
    return [line.name, *(_text(cell) for cell in line.cells)]


def _text(cell: Cell) -> str | None:
    if cell.latency_ms is None:
        return cell.status if cell.status != "ok" else None
    median, interval = cell.latency_ms.median, cell.latency_ms.median_interval
    text = numbers.milliseconds(median)
    if cell.emulated:
        return f"{text} emulated"
    if interval is not None:
        text += f" ({' to '.join(map(numbers.milliseconds, interval))})"
    return f"{text} {cell.stability}" if cell.stability else text


def _about(device: Column) -> str:
    cores = None if device.cores is None else f"{device.cores} cores"
    engines = [f"{name} {version}" for name, version in device.engines.items()]
    known = [word for word in (device.hardware, cores, device.os, *engines) if word]
    return ", ".join(known) or "it told nothing of itself"


def _notes(matrix: DeviceMatrix) -> Iterator[str]:
    """What each device is; every reason once, with the rows that it is about."""
    for at, device in enumerate(matrix.devices):
        reasons: dict[str, list[str]] = {}
        for line in matrix.lines:
            cell = line.cells[at]
            for reason in _reasons(cell):
                reasons.setdefault(reason, []).append(line.name)
        if device.emulated:
            reasons["its processor is emulated: its times are compared with nothing"] = []
        reasons |= {note: [] for note in device.notes if note not in reasons}
        yield from ("", f"## {plain(device.name)}", "", plain(_about(device)), "")
        for reason, names in reasons.items():
            yield f"- {plain(reason)}" + (f" ({plain(', '.join(names))})" if names else "")


def _reasons(cell: Cell) -> list[str]:
    if cell.status != "ok":
        return [cell.reason or "no reason was recorded"]
    return list(cell.stability_reasons) if cell.stability != "stable" else []
