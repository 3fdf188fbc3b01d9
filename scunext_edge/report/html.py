"""The report as one HTML file that needs no network: pictures and figures lie inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scunext_edge.report import facts, numbers
from scunext_edge.report.complexity import HEADS, complexity_lines
from scunext_edge.report.doubts import Doubt, doubts_of, number_doubts
from scunext_edge.report.figures import all_figures
from scunext_edge.report.glossary import glossary
from scunext_edge.report.naming import full_name, models_of, short_name
from scunext_edge.report.pictures import strips
from scunext_edge.report.records import Run
from scunext_edge.report.table import Cells, cells
from scunext_edge.report.verdict import Verdict, judge
from scunext_edge.results import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A measured row as the table shows it."""

    row: Row
    name: str
    anchor: str
    cells: Cells
    doubts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number that a reader in a hurry takes away."""

    label: str
    value: str
    note: str


def to_html(run: Run) -> str:
    """Render the report. Text from the run is escaped; drawings of ours are not."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("scunext_edge.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2").render(_context(run))


def _context(run: Run) -> dict[str, Any]:
    verdict = judge(run)
    doubts = number_doubts(run.rows)
    return {
        "run": run,
        "verdict": verdict,
        "tiles": tiles(run, verdict),
        "groups": _groups(run, doubts),
        "regions": _regions(run),
        "doubts": doubts,
        "doubted": {doubt.number: _doubted(run, doubt) for doubt in doubts},
        "figures": all_figures(run),
        "complexity_heads": HEADS,
        "complexity": complexity_lines(run),
        "strips": strips(run),
        "left_out": [(full_name(row), row) for row in run.rows if row.status != "ok"],
        "machine": facts.machine(run),
        "data": facts.data(run),
        "caution": facts.licence_caution(run),
        "glossary": glossary(run),
    }


def tiles(run: Run, verdict: Verdict) -> list[Tile]:
    """The numbers of the verdict; fewer where less was measured."""
    found = []
    fastest = verdict.fastest
    if fastest and fastest.latency_ms:
        name = f"{full_name(fastest)}, median ± MAD"
        value = f"{numbers.with_spread(fastest.latency_ms.median, fastest.latency_ms.mad)} ms"
        found.append(Tile(label="Fastest that passed", value=value, note=name))
    if verdict.speedup and verdict.baseline:
        value = f"{numbers.ratio(verdict.speedup)}\N{MULTIPLICATION SIGN}"
        note = f"as fast as {full_name(verdict.baseline)}"
        found.append(Tile(label="Against FP32", value=value, note=note))
    if fastest and fastest.dice is not None:
        note = "not compared with FP32"
        if fastest.dice_drop is not None and fastest.dice_drop_upper is not None:
            note = (
                f"drop {numbers.drop(fastest.dice_drop)}, "
                f"at most {numbers.drop(fastest.dice_drop_upper)}"
            )
        found.append(Tile(label="Its mean Dice", value=numbers.score(fastest.dice), note=note))
    if gated := [row for row in run.rows if row.gate in ("passed", "failed")]:
        passed = sum(row.gate == "passed" for row in gated)
        note = "rows compared with their FP32 reference"
        found.append(Tile(label="Gate passed", value=f"{passed} of {len(gated)}", note=note))
    return found


def _doubted(run: Run, doubt: Doubt) -> list[tuple[str, list[tuple[int, str]]]]:
    """The rows that carry a doubt, by model: index and short name."""
    rows = [(index, run.rows[index]) for index in doubt.rows]
    return [
        (model, [(index, short_name(row)) for index, row in rows if row.model == model])
        for model in models_of([row for _, row in rows])
    ]


def _groups(run: Run, doubts: Sequence[Doubt]) -> list[tuple[str, str, list[Line]]]:
    """Measured rows by model, with a word on the network."""
    found = []
    for model in models_of(run.rows):
        lines = [
            _line(index, row, doubts)
            for index, row in enumerate(run.rows)
            if row.model == model and row.status == "ok"
        ]
        if lines:
            found.append((model, _about([line.row for line in lines]), lines))
    return found


def _line(index: int, row: Row, doubts: Sequence[Doubt]) -> Line:
    return Line(
        row=row,
        name=short_name(row),
        anchor=f"row-{index}",
        cells=cells(row),
        doubts=doubts_of(index, doubts),
    )


def _about(rows: Sequence[Row]) -> str:
    sizes = sorted({row.input_size for row in rows})
    words = [" and ".join(map(str, sizes)) + " px"]
    if rows[0].params is not None:
        words.append(f"{numbers.count(rows[0].params)} parameters")
    if len(sizes) == 1 and rows[0].macs is not None:
        words.append(f"{numbers.cost(rows[0].macs)} MACs")
    return " · ".join(words)


def _regions(run: Run) -> str:
    regions = {row.latency_ms.region for row in run.rows if row.latency_ms}
    threads = sorted({row.threads for row in run.rows if row.status == "ok"})
    if not regions:
        return "no latency was measured"
    words = " and ".join(sorted(region.replace("_", " ") for region in regions))
    plural = "" if threads == [1] else "s"
    return f"region: {words}; {' or '.join(map(str, threads))} thread{plural}"
