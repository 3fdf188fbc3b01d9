"""A case over runs: its p50 in the order of time, and what changed in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scunext_edge.report import comparable, facts
from scunext_edge.report import table as cells
from scunext_edge.report.markdown import plain, table
from scunext_edge.report.matrix import device_names, machine_of
from scunext_edge.report.naming import full_name
from scunext_edge.report.pages import render
from scunext_edge.report.recommendation import Recommendation, recommend
from scunext_edge.report.records import Run
from scunext_edge.results import Latency, Row

_ARROW = " \N{RIGHTWARDS ARROW} "
_SYSTEM = ("kernel", "os", "gpu_driver", "governor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A case in one run. Without ``latency`` it was not measured there, and ``note`` says why."""

    when: str
    latency: Latency | None
    text: str | None
    stability: str | None
    changes: Sequence[str]  # since the run before in which the case was measured
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of the results, over all runs of a machine."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a machine did over time; ``latest`` is what its last run recommends."""

    machine: str
    emulated: str | None
    cases: Sequence[Case]
    latest: Recommendation


def histories(runs: Sequence[Run]) -> list[Past]:
    """A history per machine, its runs in the order of time."""
    machines: dict[tuple[str, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.created):
        machines.setdefault(machine_of(run), []).append(run)
    names = device_names([found[0] for found in machines.values()])
    return [
        Past(
            machine=name,
            emulated=comparable.emulation(found[-1]),
            cases=[_case(key, found) for key in _timed_keys(found)],
            latest=recommend(found[-1]),
        )
        for name, found in zip(names, machines.values(), strict=True)
    ]


def to_markdown(runs: Sequence[Run]) -> str:
    """A table per case."""
    return "\n".join(_markdown(histories(runs), len(runs))) + "\n"


def to_html(runs: Sequence[Run]) -> str:
    """A small picture and a table per case."""
    from scunext_edge.report.timeline import timeline

    pasts = histories(runs)
    drawn = {
        (at, place): timeline(case.points, name=f"case-{at}-{place}", title=case.name)
        for at, past in enumerate(pasts)
        for place, case in enumerate(past.cases)
    }
    return render("history.html.j2", pasts=pasts, drawn=drawn, title=_title(len(runs)))


def _title(count: int) -> str:
    return f"p50 over {count} runs"


def _markdown(pasts: Sequence[Past], count: int) -> Iterator[str]:
    yield f"# {_title(count)}"
    for past in pasts:
        yield from ("", f"## {plain(past.machine)}", "")
        if past.emulated:
            yield from (f"This machine is {plain(past.emulated)}: its times rank nothing.", "")
        yield plain(f"The last run: {past.latest.sentence}")
        for case in past.cases:
            yield from ("", f"### {plain(case.name)}", "")
            yield from table(
                ("run", "p50, ms (95 %)", "stability", "what changed"),
                [
                    (it.when, it.text, it.stability, "; ".join(it.changes) or it.note or "")
                    for it in case.points
                ],
            )


def _timed_keys(runs: Sequence[Run]) -> list[str]:
    keys = (row.key for run in runs for row in run.rows if row.latency_ms)
    return list(dict.fromkeys(keys))


def _case(key: str, runs: Sequence[Run]) -> Case:
    points: list[Point] = []
    before: tuple[Run, Row] | None = None
    name = key
    for run in runs:
        row = next((row for row in run.rows if row.key == key), None)
        if row is None or row.latency_ms is None:
            why = "this run had no such row" if row is None else row.reason
            points.append(_gap(run, why))
            continue
        name = full_name(row)
        points.append(
            Point(
                when=facts.when(run.created),
                latency=row.latency_ms,
                text=cells.p50(row),
                stability=row.stability,
                changes=list(_changes(before, (run, row))) if before else [],
            )
        )
        before = (run, row)
    return Case(name=name, points=points)


def _gap(run: Run, why: str | None) -> Point:
    note = f"not measured: {why or 'no reason was recorded'}"
    when = facts.when(run.created)
    return Point(when=when, latency=None, text=None, stability=None, changes=[], note=note)


def _changes(before: tuple[Run, Row], now: tuple[Run, Row]) -> Iterator[str]:
    """Engine, artifact, this tool, system, and how it was measured."""
    (old_run, old), (run, row) = before, now
    pairs = [
        (row.backend, _version(old_run, old), _version(run, row)),
        ("artifact", old.artifact_id, row.artifact_id),
        ("ran", old.precision_ran, row.precision_ran),
        ("scunext-edge", old_run.tool.get("version"), run.tool.get("version")),
        *((name, old_run.environment.get(name), run.environment.get(name)) for name in _SYSTEM),
    ]
    for name, was, became in pairs:
        if was != became:
            yield f"{facts.label(name)} {was or 'not told'}{_ARROW}{became or 'not told'}"
    ways = comparable.way(run, row), comparable.way(old_run, old)
    if told := comparable.differences(*ways, usual_is="before"):
        yield told


def _version(run: Run, row: Row) -> Any:
    record = run.measurements.get(row.key)
    return record.subject.backend_version if record else None
