"""The report as one HTML file that needs no network: pictures and figures lie inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from scunext_edge.report import accuracy, facts, numbers
from scunext_edge.report.comparable import compare_conditions
from scunext_edge.report.complexity import HEADS, complexity_lines
from scunext_edge.report.doubts import Doubt, doubts_of, number_doubts, number_findings
from scunext_edge.report.figures import more_figures
from scunext_edge.report.glossary import glossary
from scunext_edge.report.naming import full_name, models_of, regions, short_name
from scunext_edge.report.pages import render
from scunext_edge.report.passport import passport
from scunext_edge.report.pictures import strips
from scunext_edge.report.recommendation import Recommendation
from scunext_edge.report.records import Run
from scunext_edge.report.table import columns, interval, median, p50
from scunext_edge.report.tradeoff import tradeoff
from scunext_edge.report.trainings import HEADS as HEADS_TRAINED
from scunext_edge.report.trainings import trained
from scunext_edge.report.verdict import Verdict, judge
from scunext_edge.results import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A measured row as the table shows it."""

    row: Row
    name: str
    anchor: str
    doubts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number that a reader in a hurry takes away."""

    label: str
    value: str
    note: str


def to_html(run: Run) -> str:
    """Render the report of one run."""
    verdict = judge(run)
    doubts = number_doubts(run.rows)
    comparison = compare_conditions(run)
    apart = {it.row.key for it in comparison.apart}
    shown = [row for row in run.rows if row.status == "ok" and row.key not in apart]
    told = columns(shown)
    return render(
        "report.html.j2",
        run=run,
        created=facts.when(run.created),
        verdict=verdict,
        found=verdict.recommendation,
        tiles=tiles(verdict.recommendation, verdict),
        picture=tradeoff(run, verdict.recommendation.row),
        columns=told,
        heads=[(name, list(of)) for name, of in groupby(told, key=lambda column: column.group)],
        groups=_groups(run, shown, doubts),
        apart=[
            (f"row-{run.rows.index(it.row)}", full_name(it.row), p50(it.row), it.reason)
            for it in comparison.apart
        ],
        regions=_regions(shown),
        doubts=doubts,
        doubted={doubt.number: _doubted(run, doubt) for doubt in doubts},
        findings=[(it.text, _doubted(run, it)) for it in number_findings(run.rows)],
        figures=more_figures(run),
        complexity_heads=HEADS,
        complexity=complexity_lines(run),
        trained_heads=HEADS_TRAINED,
        trained=trained(run, drawn=True),
        strips=strips(run),
        left_out=[(full_name(row), row) for row in run.rows if row.status != "ok"],
        machine=facts.machine(run),
        passport=passport(run),
        name_of=full_name,
        data=facts.data(run),
        caution=facts.licence_caution(run),
        glossary=glossary(run),
    )


def tiles(found: Recommendation, verdict: Verdict) -> list[Tile]:
    """The numbers of the row that leads; fewer where less was measured."""
    row = found.row
    if row is None or row.latency_ms is None:
        return []
    note = f"95 %: {interval(row.latency_ms)} ms"
    tiles = [Tile(label="p50 per image", value=f"{median(row.latency_ms)} ms", note=note)]
    if row.dice is not None:
        lost = accuracy.lost(row)
        note = f"{lost}, against FP32" if lost else "the FP32 reference itself"
        tiles.append(Tile(label="Mean Dice", value=numbers.score(row.dice), note=note))
    if row.memory_mb is not None:
        note = f"and {numbers.size(row.size_bytes)} of files" if row.size_bytes else ""
        memory = f"{numbers.milliseconds(row.memory_mb)} MB"
        tiles.append(Tile(label="Memory", value=memory, note=note))
    if verdict.speedup and verdict.baseline:
        value = f"{numbers.ratio(verdict.speedup)}\N{MULTIPLICATION SIGN}"
        note = f"as fast as {full_name(verdict.baseline)}"
        tiles.append(Tile(label="Against FP32", value=value, note=note))
    return tiles


def _doubted(run: Run, doubt: Doubt) -> list[tuple[str, list[tuple[int, str]]]]:
    """The rows that carry a doubt, by model: index and short name."""
    rows = [(index, run.rows[index]) for index in doubt.rows]
    return [
        (model, [(index, short_name(row)) for index, row in rows if row.model == model])
        for model in models_of([row for _, row in rows])
    ]


def _groups(
    run: Run, shown: Sequence[Row], doubts: Sequence[Doubt]
) -> list[tuple[str, str, list[Line]]]:
    """Measured rows by model, with a word on the network."""
    anchors = {row.key: index for index, row in enumerate(run.rows)}
    return [
        (
            model,
            _about(rows),
            [
                Line(
                    row=row,
                    name=short_name(row),
                    anchor=f"row-{anchors[row.key]}",
                    doubts=doubts_of(anchors[row.key], doubts),
                )
                for row in rows
            ],
        )
        for model in models_of(shown)
        if (rows := [row for row in shown if row.model == model])
    ]


def _about(rows: Sequence[Row]) -> str:
    sizes = sorted({row.input_size for row in rows})
    words = [" and ".join(map(str, sizes)) + " px"]
    if rows[0].params is not None:
        words.append(f"{numbers.count(rows[0].params)} parameters")
    if len(sizes) == 1 and rows[0].macs is not None:
        words.append(f"{numbers.cost(rows[0].macs)} MACs")
    return " · ".join(words)


def _regions(rows: Sequence[Row]) -> str:
    found = regions(rows)
    threads = sorted({row.threads for row in rows})
    if not found:
        return "no latency was measured"
    plural = "" if threads == [1] else "s"
    return f"region: {found}; {' or '.join(map(str, threads))} thread{plural}"
