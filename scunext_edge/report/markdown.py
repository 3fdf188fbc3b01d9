"""The report as Markdown that reads well in a terminal, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scunext_edge.report import facts
from scunext_edge.report.complexity import HEADS, complexity_lines
from scunext_edge.report.doubts import Doubt, doubts_of, number_doubts
from scunext_edge.report.naming import by_model, full_name
from scunext_edge.report.records import Run
from scunext_edge.report.table import cells
from scunext_edge.report.verdict import judge
from scunext_edge.results import Row

_MISSING = "\N{EN DASH}"
_GATE = {"passed": "passed", "failed": "NO", "reference": "reference"}


def to_markdown(run: Run) -> str:
    """The whole report: verdict, tables, doubts, what could not run, the machine."""
    doubts = number_doubts(run.rows)
    parts = [
        *_opening(run),
        *_results(run, doubts),
        *_complexity(run),
        *_doubts(run, doubts),
        *_not_run(run),
        *_pairs("The machine", facts.machine(run)),
        *_pairs("The data", facts.data(run)),
        *_reproduce(run),
    ]
    return "\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Text from elsewhere on one line, with nothing that Markdown or HTML would act upon."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*\[\]|<>])", r"\\\1", one_line)


def _opening(run: Run) -> Iterator[str]:
    verdict = judge(run)
    yield f"# {verdict.headline}"
    yield ""
    for sentence in (*verdict.sentences, *verdict.remarks):
        yield f"- {plain(sentence)}"


def _results(run: Run, doubts: Sequence[Doubt]) -> Iterator[str]:
    measured = [(index, row) for index, row in enumerate(run.rows) if row.status == "ok"]
    if not measured:
        return
    yield from (
        "",
        "## Results",
        "",
        "Latency in ms per image; the drop is FP32 minus this row.",
        "",
    )
    yield from table(
        ("row", "region", "median ± MAD", "p99", "Dice", "drop", "upper bound", "gate", "doubts"),
        [_main_line(row, doubts_of(index, doubts)) for index, row in measured],
    )
    yield from ("", "## More numbers", "")
    yield from table(
        ("row", "ran", "size", "p90", "n / processes", "memory MB", "IoU", "drop", "upper bound"),
        [_second_line(row) for _, row in measured],
    )


def _main_line(row: Row, doubts: Sequence[int]) -> list[str | None]:
    shown = cells(row)
    return [
        full_name(row),
        row.latency_ms.region.replace("_", " ") if row.latency_ms else None,
        shown.median,
        shown.p99,
        shown.dice,
        shown.dice_drop,
        shown.dice_drop_upper,
        _GATE[row.gate] if row.gate else None,
        ", ".join(map(str, doubts)),
    ]


def _second_line(row: Row) -> list[str | None]:
    shown = cells(row)
    return [
        full_name(row),
        shown.ran,
        shown.size,
        shown.p90,
        shown.values,
        shown.memory,
        shown.iou,
        shown.iou_drop,
        shown.iou_drop_upper,
    ]


def _complexity(run: Run) -> Iterator[str]:
    lines = complexity_lines(run)
    if not lines:
        return
    yield from ("", "## Complexity", "")
    yield from table(HEADS, [line[:-1] for line in lines])
    notes = [f"- {plain(str(line[0]))}: {plain(line[-1])}" for line in lines if line[-1]]
    yield from (["", *notes] if notes else [])


def _doubts(run: Run, doubts: Sequence[Doubt]) -> Iterator[str]:
    if not doubts:
        return
    yield from ("", "## Doubts", "")
    for doubt in doubts:
        names = by_model([run.rows[index] for index in doubt.rows])
        yield f"{doubt.number}. {plain(doubt.text)} ({plain(names)})"


def _not_run(run: Run) -> Iterator[str]:
    left_out = [row for row in run.rows if row.status != "ok"]
    if not left_out:
        return
    yield from ("", "## What could not run, and why", "")
    for row in left_out:
        reason = plain(row.reason or "no reason was recorded")
        yield f"- {plain(full_name(row))}: {row.status}: {reason}"


def _pairs(title: str, pairs: Sequence[tuple[str, str | None]]) -> Iterator[str]:
    if not pairs:
        return
    yield from ("", f"## {title}", "")
    for name, value in pairs:
        yield f"- {plain(name)}: {plain(value) if value else 'not known'}"


def _reproduce(run: Run) -> Iterator[str]:
    yield from ("", "## The same again", "")
    if run.command:
        yield from (f"    {' '.join(run.command.split())}", "")
    tool = f"{run.tool.get('name', 'scunext-edge')} {run.tool.get('version', '')}"
    yield f"Measured {plain(run.created)} by {plain(tool)}."


def table(heads: Sequence[str], lines: Sequence[Sequence[str | None]]) -> Iterator[str]:
    """A table whose columns line up in plain text."""
    text = [
        list(heads),
        *([plain(cell) if cell else _cell(cell) for cell in line] for line in lines),
    ]
    widths = [max(len(line[at]) for line in text) for at in range(len(heads))]
    rule = ["-" * width for width in widths]
    for line in (text[0], rule, *text[1:]):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield f"| {' | '.join(padded)} |"


def _cell(cell: str | None) -> str:
    return _MISSING if cell is None else ""
