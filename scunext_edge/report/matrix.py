"""Several devices side by side: a line per model, engine and precision, a column per run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scunext_edge.report import facts, numbers
from scunext_edge.report import table as cells
from scunext_edge.report.comparable import compare_conditions, emulation, usual_way
from scunext_edge.report.markdown import plain, table
from scunext_edge.report.naming import full_name
from scunext_edge.report.pages import render
from scunext_edge.report.recommendation import Recommendation, recommend
from scunext_edge.report.records import Run
from scunext_edge.results import Row

_IDENTITY = (
    *("board", "cpu_model", "gpu_name", "architecture", "cores_logical", "cpu_limit_cores"),
    "emulated",
)
_NOT_MEASURED = "nothing was measured"
_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A row on one device. ``ratio`` is within the device; ``why`` says why there is none of it."""

    p50: str | None = None
    ratio: str | None = None
    stability: str | None = None
    gate: str | None = None
    best: bool = False
    why: str | None = None

    @property
    def text(self) -> str:
        """On one line, without ``why``."""
        gate = "gate not passed" if self.gate == "failed" else None
        words = (self.p50 or "not measured", self.stability, self.ratio, gate)
        return ", ".join(word for word in words if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A column: one run on one device."""

    name: str
    created: str
    way: str  # region, threads and whatever else most of its rows share
    emulated: str | None
    recommendation: Recommendation


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """``lines`` have one cell per device."""

    devices: Sequence[Device]
    lines: Sequence[tuple[str, Sequence[Cell]]]
    cautions: Sequence[str]


def matrix(runs: Sequence[Run]) -> Matrix:
    """Put runs side by side, in the order in which they were given."""
    devices = [
        Device(
            name=name,
            created=facts.when(run.created),
            way=_way(run),
            emulated=emulation(run),
            recommendation=recommend(run),
        )
        for name, run in zip(device_names(runs), runs, strict=True)
    ]
    columns = [_column(run, device) for run, device in zip(runs, devices, strict=True)]
    known = {row.key: row for run in reversed(runs) for row in run.rows}
    keys = dict.fromkeys(row.key for run in runs for row in run.rows)
    absent = Cell(why="this run had no such row")
    lines = [
        (_name(known[key], known.values()), [column.get(key, absent) for column in columns])
        for key in keys
    ]
    return Matrix(devices=devices, lines=lines, cautions=list(_cautions(devices)))


def machine_of(run: Run) -> tuple[str, ...]:
    """What tells machines apart: no name of a host is stored."""
    memory = run.environment.get("memory_bytes") or 0
    gigabytes = round(memory / 1e9)  # the kernel keeps some of it, now more, now less
    return *(str(run.environment.get(name)) for name in _IDENTITY), str(gigabytes)


def device_names(runs: Sequence[Run]) -> list[str]:
    """The board or the processor, with its GPU; where two are called alike, with what differs."""
    tellers: tuple[Callable[[Run], Any], ...] = (
        lambda run: _cores(run),
        lambda run: facts.when(run.created),
        lambda run: run.directory.name,
    )
    names = [_hardware(run) for run in runs]
    for teller in tellers:
        counted = Counter(names)
        told = [str(teller(run)) for run in runs]
        alike = {
            name
            for name in counted
            if len({word for word, other in zip(told, names, strict=True) if other == name}) > 1
        }
        names = [
            f"{name}, {word}" if name in alike else name
            for name, word in zip(names, told, strict=True)
        ]
    return names


def to_markdown(runs: Sequence[Run]) -> str:
    """The recommendations, then the matrix, then why cells are empty."""
    found = matrix(runs)
    return "\n".join(_markdown(found)) + "\n"


def to_html(runs: Sequence[Run]) -> str:
    """The same as a page."""
    return render("devices.html.j2", found=matrix(runs), title=_title(len(runs)))


def _title(count: int) -> str:
    return f"What to ship on each of {count} devices"


def _markdown(found: Matrix) -> Iterator[str]:
    yield from (f"# {_title(len(found.devices))}", "")
    for device in found.devices:
        yield f"- **{plain(device.name)}**: {plain(device.recommendation.sentence)}"
        yield from (f"  - {plain(it)}" for it in device.recommendation.missing)
    yield from ("", "## Device by device", "")
    yield "p50 in ms with its 95 % interval. Ratios hold within a column, never across."
    yield from ("", *(f"- {plain(it)}" for it in found.cautions))
    reasons = dict.fromkeys(it.why for _, line in found.lines for it in line if it.why is not None)
    numbered = {why: number for number, why in enumerate(reasons, start=1)}
    yield ""
    yield from table(
        ("row", *(device.name for device in found.devices)),
        [
            (name, *(it.text + (f" ({numbered[it.why]})" if it.why else "") for it in line))
            for name, line in found.lines
        ],
    )
    yield ""
    yield from (f"{number}. {plain(why)}" for why, number in numbered.items() if why)


def _column(run: Run, device: Device) -> dict[str, Cell]:
    comparison = compare_conditions(run)
    apart = {it.row.key: it.reason for it in comparison.apart}
    fastest = min(
        (row.latency_ms.median for row in comparison.rows if row.latency_ms), default=None
    )
    chosen = device.recommendation
    best = chosen.row.key if chosen.row and chosen.state == "recommended" else None
    found = {}
    for row in run.rows:
        if row.status != "ok" or row.latency_ms is None:
            unkept = f"{device.emulated}: no latency was kept" if device.emulated else None
            found[row.key] = Cell(why=row.reason or unkept or "no reason was recorded")
            continue
        found[row.key] = Cell(
            p50=cells.p50(row),
            ratio=_ratio(row, fastest) if row.key not in apart else None,
            stability=row.stability,
            gate=row.gate,
            best=row.key == best,
            why=apart.get(row.key),
        )
    return found


def _ratio(row: Row, fastest: float | None) -> str | None:
    if fastest is None or row.latency_ms is None:
        return None
    times = row.latency_ms.median / fastest
    return "fastest here" if times == 1 else f"{numbers.times(times)}{_TIMES} the fastest here"


def _name(row: Row, rows: Any) -> str:
    sizes = {other.input_size for other in rows if other.model == row.model}
    return full_name(row) + (f" at {row.input_size} px" if len(sizes) > 1 else "")


def _hardware(run: Run) -> str:
    told = run.environment
    name = str(told.get("board") or told.get("cpu_model") or "a device that tells no name")
    gpu = told.get("gpu_name")
    return f"{name} with {gpu}" if gpu else name


def _cores(run: Run) -> str:
    limit = run.environment.get("cpu_limit_cores")
    cores = limit if isinstance(limit, int | float) else run.environment.get("cores_logical")
    return "unknown cores" if cores is None else f"{cores:g} cores"


def _way(run: Run) -> str:
    """Region and threads; of the rest only what is not usual."""
    way = usual_way(run)
    if not way:
        return _NOT_MEASURED
    usual = {"scenario": "single-stream", "batch": "1", "pinned to CPUs": "none"}
    more = [f"{name} {way[name]}" for name, value in usual.items() if way[name] != value]
    threads = f"{way['threads']} thread{'' if way['threads'] == '1' else 's'}"
    return ", ".join((way["region"], threads, *more))


def _cautions(devices: Sequence[Device]) -> Iterator[str]:
    for device in devices:
        if device.emulated:
            yield f"{device.name} is {device.emulated}: its times are never ranked or compared."
    ways = {device.way for device in devices if not device.emulated and device.way != _NOT_MEASURED}
    if len(ways) > 1:
        yield "The columns were measured in different ways: read each by itself."
