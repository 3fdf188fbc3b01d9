"""The report as Markdown that reads well in a terminal, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from scunext_edge.report import facts, naming
from scunext_edge.report import table as cells
from scunext_edge.report.comparable import compare_conditions
from scunext_edge.report.complexity import HEADS, complexity_lines
from scunext_edge.report.doubts import Doubt, doubts_of, number_doubts, number_findings
from scunext_edge.report.naming import by_model, full_name
from scunext_edge.report.records import Run
from scunext_edge.report.table import Text
from scunext_edge.report.trainings import HEADS as HEADS_TRAINED
from scunext_edge.report.trainings import trained
from scunext_edge.report.verdict import judge
from scunext_edge.results import Row

_MISSING = "\N{EN DASH}"
_GATE = {"passed": "passed", "failed": "NO", "reference": "reference"}
_MAIN: Mapping[str, Text] = {
    "row": full_name,
    "p50 (95 %)": cells.p50,
    "p99": cells.p99,
    "stability": lambda row: row.stability,
    "Dice": cells.dice,
    "drop": cells.dice_drop,
    "upper bound": cells.dice_drop_upper,
    "gate": lambda row: _GATE[row.gate] if row.gate else None,
}
_MORE: Mapping[str, Text] = {
    "row": full_name,
    "ran": cells.ran,
    "size": cells.size,
    "median ± MAD": cells.spread,
    "p90": cells.p90,
    "n / processes": cells.count,
    "cold start ms": cells.cold_start,
    "energy mJ": cells.energy,
    "memory MB": cells.memory,
    "of the limit": cells.limit,
    "IoU": cells.iou,
    "drop": cells.iou_drop,
    "upper bound": cells.iou_drop_upper,
}


def to_markdown(run: Run) -> str:
    """The whole report: verdict, tables, doubts, what could not run, the machine."""
    doubts = number_doubts(run.rows)
    parts = [
        *_opening(run),
        *_results(run, doubts),
        *_apart(run),
        *_trainings(run),
        *_complexity(run),
        *_findings(run),
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
    found = verdict.recommendation
    yield f"# {plain(found.headline)}"
    yield from ("", plain(found.sentence))
    titles = {
        "Why": found.reasons,
        "How sure we are": found.certainty,
        "What is missing": found.missing,
    }
    for title, sentences in titles.items():
        if sentences:
            yield from ("", f"**{title}**", "", *(f"- {plain(it)}" for it in sentences))
    yield from ("", f"## {verdict.headline}", "")
    for sentence in (*verdict.sentences, *verdict.remarks):
        yield f"- {plain(sentence)}"


def _results(run: Run, doubts: Sequence[Doubt]) -> Iterator[str]:
    apart = {it.row.key for it in compare_conditions(run).apart}
    measured = [
        (index, row)
        for index, row in enumerate(run.rows)
        if row.status == "ok" and row.key not in apart
    ]
    if not measured:
        return
    rows = [row for _, row in measured]
    yield from (
        "",
        "## Results",
        "",
        f"Latency in ms per image{_conditions(rows)}, p50 with its 95 % interval; the drop is FP32 "
        "minus this row.",
        "",
    )
    numbered = {row.key: ", ".join(map(str, doubts_of(at, doubts))) for at, row in measured}
    yield from _columned(rows, {**_MAIN, "doubts": lambda row: numbered[row.key]})
    yield from ("", "## More numbers", "")
    yield from _columned(rows, _MORE)


def _conditions(rows: Sequence[Row]) -> str:
    found = naming.regions(rows)
    return f" ({found})" if found else ""


def _columned(rows: Sequence[Row], columns: Mapping[str, Text]) -> Iterator[str]:
    """A table with those columns in which any row has something to say."""
    shown = {head: [text(row) for row in rows] for head, text in columns.items()}
    told = {head: found for head, found in shown.items() if any(it is not None for it in found)}
    yield from table(list(told), list(zip(*told.values(), strict=True)))


def _apart(run: Run) -> Iterator[str]:
    apart = compare_conditions(run).apart
    if not apart:
        return
    yield from ("", "## Not comparable with these", "")
    yield from table(
        ("row", "p50, ms (95 %)", "why it is not ranked"),
        [(full_name(it.row), cells.p50(it.row), it.reason) for it in apart],
    )


def _trainings(run: Run) -> Iterator[str]:
    groups = trained(run)
    yield from (["", "## Accuracy of trainings"] if groups else [])
    for group in groups:
        yield from ("", f"### {plain(group.title)}", "", plain(group.note), "")
        yield from table(HEADS_TRAINED, group.lines)


def _complexity(run: Run) -> Iterator[str]:
    lines = complexity_lines(run)
    if not lines:
        return
    yield from ("", "## Complexity", "")
    yield from table(HEADS, [line[:-1] for line in lines])
    notes = [f"- {plain(str(line[0]))}: {plain(line[-1])}" for line in lines if line[-1]]
    yield from (["", *notes] if notes else [])


def _findings(run: Run) -> Iterator[str]:
    found = number_findings(run.rows)
    yield from (["", "## Found besides", ""] if found else [])
    for finding in found:
        names = by_model([run.rows[index] for index in finding.rows])
        yield f"- {plain(finding.text)} ({plain(names)})"


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
