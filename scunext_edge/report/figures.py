"""The figures of single values: latency distributions, and Dice per image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scunext_edge.report import drawing, naming, numbers
from scunext_edge.report.drawing import GREY, INK, Figure, Style
from scunext_edge.report.naming import (
    baseline_of,
    engine_name,
    full_name,
    models_of,
    short_name,
)
from scunext_edge.report.records import Run
from scunext_edge.results import Row

_NOTABLE = 0.05  # a change of Dice that one sees in the outline
_STRIP_POINTS = 200  # dots per row: enough to see the shape, few enough to print


def more_figures(run: Run) -> list[Figure]:
    """Those that follow the picture of accuracy against latency, where the run holds anything."""
    style = drawing.style_for(run.rows)
    with drawing.settings():
        drawn = [latencies(run, style), agreement(run, style)]
    return [figure for figure in drawn if figure]


def latencies(run: Run, style: Style) -> Figure | None:
    """Every row's single values with box and process medians; None without raw values."""
    rows = [row for row in run.rows if run.values_ns.get(row.key)]
    if not rows:
        return None
    models = models_of(rows)
    counts = [sum(row.model == model for row in rows) for model in models]
    figure = drawing.new_figure(8.6, 0.5 + 0.5 * len(models) + 0.3 * len(rows))
    panels = figure.subplots(len(models), squeeze=False, height_ratios=[n + 0.4 for n in counts])
    for axes, model in zip(panels[:, 0], models, strict=True):
        _draw_model(axes, [row for row in rows if row.model == model], run, style.colours[model])
    panels[-1, 0].set_xlabel("latency, ms per image")
    return Figure(
        title="Latency distributions",
        svg=drawing.to_svg(
            figure,
            name="latency",
            alt=f"Distribution of latency for {len(rows)} rows; the table gives the numbers.",
        ),
        caption=(
            "Thick bar: the middle half of the values; thin line: from the 1st to the 99th "
            "percentile; white tick: the median; short ticks below: the median of each process. "
            f"Dots are single values (at most {_STRIP_POINTS} per row, the extremes among them). "
            f"Each network has an axis of its own. Region: {naming.regions(rows)}. "
            "Processes that stand apart mean that the machine changed between them."
        ),
    )


def agreement(run: Run, style: Style) -> Figure | None:
    """Dice of every image, FP32 against INT8, one panel per INT8 row; None without pairs."""
    pairs = [
        (row, base)
        for row in run.rows
        if row.precision == "int8" and row.key in run.dice
        if (base := _scored_baseline(row, run)) is not None
    ]
    if not pairs:
        return None
    columns = min(3, len(pairs))
    lines = math.ceil(len(pairs) / columns)
    figure = drawing.new_figure(max(5.0, 2.87 * columns), 0.4 + 2.9 * lines)
    low = _floor(run, pairs)
    for place, (row, base) in enumerate(pairs, start=1):
        axes = figure.add_subplot(lines, columns, place)
        _draw_agreement(axes, row, base, run.dice, style.colours[row.model], low)
    figure.supxlabel("Dice of the image in FP32", fontsize=9.5)
    figure.supylabel("Dice of the image in INT8", fontsize=9.5)
    return Figure(
        title="Dice per image, FP32 against INT8",
        svg=drawing.to_svg(
            figure,
            name="agreement",
            alt="Dice of each image in FP32 against INT8. " + _worst(run, pairs),
        ),
        caption=(
            "One dot is one image; on the diagonal nothing changed, below it INT8 lost. The ring "
            "marks the image that lost most, by name, with its change in Dice."
        ),
    )


def _draw_model(axes: Any, rows: Sequence[Row], run: Run, colour: str) -> None:
    values = [1e-6 * ns for row in rows for part in run.values_ns[row.key] for ns in part]
    drawing.milliseconds_axis(axes, values)
    for place, row in enumerate(rows):
        _draw_distribution(axes, place, run.values_ns[row.key], colour)
    axes.set_ylim(len(rows) - 0.45, -0.6)
    mixed = len({row.latency_ms.region for row in rows if row.latency_ms}) > 1
    names = [short_name(row) + (f", {naming.regions([row])}" if mixed else "") for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_title(rows[0].model, loc="left", fontsize=9.5, fontweight="bold", color=colour)


def _draw_distribution(
    axes: Any, place: int, processes: Sequence[Sequence[int]], colour: str
) -> None:
    values = 1e-6 * np.sort(np.concatenate([np.asarray(part, np.float64) for part in processes]))
    p1, q1, median, q3, p99 = np.percentile(values, (1, 25, 50, 75, 99))
    shown = values[np.unique(np.linspace(0, len(values) - 1, _STRIP_POINTS).astype(int))]
    scatter = np.random.default_rng(place).uniform(-0.2, 0.2, len(shown))
    axes.plot(shown, place + scatter, ".", color=colour, ms=3.2, mew=0, alpha=0.45, rasterized=True)
    axes.hlines(place, p1, p99, colour, lw=1)
    axes.hlines(place, q1, q3, colour, lw=7, capstyle="butt")
    axes.plot([median], [place], "|", color="white", ms=6, mew=1.6)
    medians = [1e-6 * float(np.median(part)) for part in processes]
    axes.plot(medians, [place + 0.33] * len(medians), "|", color=INK, ms=4.5, mew=0.8)


def _scored_baseline(row: Row, run: Run) -> Row | None:
    base = baseline_of(row, [other for other in run.rows if other.key in run.dice])
    return base if base and run.dice[base.key].keys() & run.dice[row.key].keys() else None


def _floor(run: Run, pairs: Sequence[tuple[Row, Row]]) -> float:
    lowest = min(min(run.dice[row.key].values()) for pair in pairs for row in pair)
    return min(0.9, math.floor(10 * lowest) / 10)


def _draw_agreement(
    axes: Any,
    row: Row,
    base: Row,
    dice: Mapping[str, Mapping[str, float]],
    colour: str,
    low: float,
) -> None:
    ids = sorted(dice[base.key].keys() & dice[row.key].keys())
    x = np.array([dice[base.key][name] for name in ids])
    y = np.array([dice[row.key][name] for name in ids])
    edge = 0.03 * (1 - low)
    axes.plot([low, 1], [low, 1], color=GREY, lw=0.8)
    axes.plot(x, y, ".", color=colour, ms=5, mew=0, alpha=0.4, rasterized=True)
    worst = int(np.argmin(y - x))
    axes.plot(x[worst], y[worst], "o", ms=9, mfc="none", mec=INK, mew=1)
    _name_worst(axes, f"{ids[worst]}  {_signed(y[worst] - x[worst])}", x[worst], y[worst])
    lost = int((x - y > _NOTABLE).sum())
    note = f"lost over {_NOTABLE}: {lost} of {len(ids)}"
    axes.text(0.03, 0.97, note, transform=axes.transAxes, va="top", fontsize=8, color=GREY)
    axes.set(xlim=(low - edge, 1 + edge), ylim=(low - edge, 1 + edge), aspect="equal")
    other = "" if base.backend == row.backend else f"\nagainst {short_name(base)}"
    axes.set_title(
        f"{row.model} · {engine_name(row)} {row.quantizer or ''}{other}", fontsize=9.5, loc="left"
    )


def _name_worst(axes: Any, text: str, x: float, y: float) -> None:
    """In the lower right corner: nothing lies there unless INT8 lost a whole lesion."""
    axes.annotate(
        text,
        (x, y),
        xytext=(0.98, 0.03),
        textcoords="axes fraction",
        ha="right",
        va="bottom",
        fontsize=8,
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkB": 5},
    )


def _worst(run: Run, pairs: Sequence[tuple[Row, Row]]) -> str:
    found = []
    for row, base in pairs:
        ids = run.dice[row.key].keys() & run.dice[base.key].keys()
        change, name = min((run.dice[row.key][id_] - run.dice[base.key][id_], id_) for id_ in ids)
        found.append(f"{full_name(row)}: {name} lost most ({_signed(change)}).")
    return " ".join(found)


def _signed(change: float) -> str:
    return f"{numbers.MINUS if change < 0 else '+'}{abs(change):.3f}"
