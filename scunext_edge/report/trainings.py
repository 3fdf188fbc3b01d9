"""Accuracy from experiments, for networks that a run could only time: a part of its own.

A run scores the weights that it timed, on its own images. An experiment scored other weights on
other images; so its numbers have tables and pictures to themselves, one for each protocol, and no
gate or recommendation looks at them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scunext_edge.report import drawing, labels, numbers
from scunext_edge.report.comparable import compare_conditions
from scunext_edge.report.drawing import Figure, Style
from scunext_edge.report.naming import models_of, regions, short_name
from scunext_edge.report.records import Run
from scunext_edge.report.table import median
from scunext_edge.results import Row

HEADS = ("network", "Dice", "IoU", "trainings", "fastest FP32 row, p50 in ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The networks of this run by one experiment: a heading, what to know, a table, a picture."""

    title: str
    note: str
    lines: Sequence[Sequence[str | None]]
    picture: Figure | None = None


def trained(run: Run, *, drawn: bool = False) -> list[Trained]:
    """Full experiments first; a reduced one only where it has a network that these lack."""
    wanted, held, shown = set(models_of(run.rows)), set[str](), list[Trained]()
    for group in sorted(run.trainings, key=lambda group: bool(group["reduced"])):
        here = {str(row["model"]) for row in group["rows"]} & wanted
        if here - held if group["reduced"] else here:
            found = _trained(run, group, here)
            picture = _picture(run, group, here, id=f"trained{len(shown)}") if drawn else None
            shown.append(replace(found, picture=picture))
        held |= set() if group["reduced"] else here
    return shown


def _trained(run: Run, group: Mapping[str, Any], here: set[str]) -> Trained:
    timed = _timed(run, group, here)
    kind = "reduced protocol" if group["reduced"] else "protocol"
    return Trained(
        title=f"{group['experiment']}, {kind} {group['protocol']}",
        note=" ".join(_note(group, timed)),
        lines=[_line(row, group, timed) for row in group["rows"] if row["model"] in here],
    )


def _over(group: Mapping[str, Any]) -> str:
    """What trainings of a network differ in; records from before it was told are of splits."""
    return str(group.get("over", "splits"))


def _timed(run: Run, group: Mapping[str, Any], here: set[str]) -> list[Row]:
    """The FP32 rows of these networks at the size that they were trained at."""
    return [
        row
        for row in compare_conditions(run).rows
        if row.model in here and row.precision == "fp32" and row.input_size == group["size"]
    ]


def _note(group: Mapping[str, Any], timed: Sequence[Row]) -> Iterator[str]:
    data = group["data"]
    yield (
        f"From {group['file']}: {group['label']}; {group['size']} x {group['size']} pixels, "
        f"{data['images']} images of {data['name']}. Means over test images, ± "
        f"the standard deviation over {_over(group)}. These are other weights than "
        "those timed here, scored on other images: no gate and no recommendation looks at them."
    )
    if not timed:
        yield "No row of this run was timed in FP32 at that size, so there is no latency beside it."
    if group["reduced"]:
        yield (
            "The protocol is reduced: its numbers compare the rows of this table with each other, "
            "and stand beside no others."
        )


def _line(
    row: Mapping[str, Any], group: Mapping[str, Any], timed: Sequence[Row]
) -> list[str | None]:
    own = [it for it in timed if it.model == row["model"]]
    best = min(own, key=_p50) if own else None
    return [
        str(row["model"]),
        _spread(row["dice"], row["dice_sd"]),
        _spread(row["iou"], row["iou_sd"]),
        f"{row['trainings']} of {group['splits']}",
        f"{median(best.latency_ms)} ({short_name(best)})" if best and best.latency_ms else None,
    ]


def _spread(value: float, sd: float | None) -> str:
    mean = numbers.score(value)
    return mean if sd is None else f"{mean} ± {numbers.score(sd)}"


def _p50(row: Row) -> float:
    return row.latency_ms.median if row.latency_ms else float("inf")


def _picture(run: Run, group: Mapping[str, Any], here: set[str], *, id: str) -> Figure | None:
    """Dice of the trainings against p50 of FP32, of one protocol alone; null without latencies."""
    timed, style = _timed(run, group, here), drawing.style_for(run.rows)
    rows = {row["model"]: row for row in group["rows"]}
    if not timed:
        return None
    with drawing.settings():
        figure = drawing.new_figure(8.6, 3.6)
        axes = figure.add_subplot()
        drawing.milliseconds_axis(axes, [_p50(row) for row in timed])
        for row in timed:
            x, y, sd = _p50(row), rows[row.model]["dice"], rows[row.model]["dice_sd"] or 0.0
            axes.plot((x, x), (y - sd, y + sd), color=style.colours[row.model], lw=1.1, alpha=0.75)
            axes.plot(x, y, linestyle="none", **style.marker(row))
        axes.margins(x=0.12, y=0.15)
        axes.set_xlabel(f"p50, ms per image ({regions(timed)}); left is faster")
        axes.set_ylabel(f"mean Dice of trainings\n({group['experiment']}, {group['protocol']})")
        unnamed = labels.place(axes, [_label(row, rows, style) for row in timed])
        what = f"{group['experiment']}, {group['protocol']}"
        alt = (
            f"Mean Dice of the trainings of {what} against p50 in FP32; the table has the numbers."
        )
        svg = drawing.to_svg(figure, name=id, alt=alt)
    return Figure(
        title=f"Accuracy of trainings against latency: {what}",
        svg=svg,
        caption=(
            "One point is an FP32 row of this run, at the mean Dice of its network's trainings; "
            f"bars: one standard deviation over {_over(group)}. In the picture at the top, each "
            "point was scored with the weights that were timed, on this run's images: the two have "
            f"no axis in common. Points that found no room for a name: {unnamed}."
        ),
    )


def _label(row: Row, rows: Mapping[str, Mapping[str, Any]], style: Style) -> labels.Label:
    return labels.Label(
        x=_p50(row),
        y=rows[row.model]["dice"],
        text=f"{row.model}, {short_name(row)}",
        colour=style.colours[row.model],
    )
