"""The picture of accuracy against latency, with the Pareto front and how sure each point is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scunext_edge.report import accuracy, drawing, labels, naming
from scunext_edge.report.comparable import compare_conditions
from scunext_edge.report.drawing import GREY, Figure, Style
from scunext_edge.report.front import pareto_front
from scunext_edge.report.naming import full_name, short_name
from scunext_edge.report.records import Run
from scunext_edge.results import Row

_CROSS = "\N{MULTIPLICATION SIGN}"
_DASHED = (0, (5, 3))
Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What is drawn, wide and narrow: a point, and a loss against the best row, per row."""

    run: Run
    rows: Sequence[Row]
    points: Sequence[Point]
    losses: Sequence[accuracy.Loss | None]
    front: Sequence[int]
    best: Row | None  # the most accurate FP32 row
    chosen: Row | None
    style: Style

    @property
    def front_names(self) -> str:
        return ", ".join(full_name(self.rows[index]) for index in self.front)


def tradeoff(run: Run, chosen: Row | None = None) -> Figure | None:
    """Mean Dice against p50 of the rows that may be compared; None without both."""
    rows = [row for row in compare_conditions(run).rows if row.dice is not None]
    if not rows:
        return None
    points = [
        (row.latency_ms.median, row.dice) for row in rows if row.latency_ms and row.dice is not None
    ]
    best = accuracy.most_accurate(run.rows)
    scene = _Scene(
        run=run,
        rows=rows,
        points=points,
        losses=[accuracy.loss(run, row, against=best) if best else None for row in rows],
        # a ten-thousandth of Dice is less than two engines differ by in rounding
        front=pareto_front([(x, round(y, 4)) for x, y in points]),
        best=best,
        chosen=chosen,
        style=drawing.style_for(run.rows),
    )
    with drawing.settings():
        wide, unnamed = _drawn(scene, narrow=False)
        narrow, _ = _drawn(scene, narrow=True)
    return Figure(
        title="Accuracy against latency",
        svg=wide,
        narrow_svg=narrow,
        caption=_caption(scene, unnamed),
    )


def _drawn(scene: _Scene, *, narrow: bool) -> tuple[str, int]:
    """The drawing, and how many points found no room for a name."""
    figure = drawing.new_figure(*((4.4, 5.0) if narrow else (8.6, 5.4)))
    axes = figure.add_subplot()
    drawing.milliseconds_axis(axes, [x for x, _ in scene.points])
    front = [scene.points[at] for at in scene.front]
    axes.step(*zip(*front, strict=True), where="post", color="#9aa5b1")
    if scene.best is not None and scene.best.dice is not None:
        allowed = scene.best.dice - accuracy.limit(scene.run)
        axes.axhline(allowed, color=GREY, lw=0.9, ls=_DASHED)
    for at in range(len(scene.rows)):
        _draw_bars(axes, scene, at)
    for row, point in zip(scene.rows, scene.points, strict=True):
        axes.plot(*point, linestyle="none", **scene.style.marker(row))
        if row is scene.chosen:
            axes.plot(*point, "o", ms=19, mfc="none", mec=drawing.INK, mew=1.1)
    axes.margins(x=0.12, y=0.15)
    axes.set_xlabel(f"p50, ms per image ({naming.regions(scene.rows)}); left is faster")
    axes.set_ylabel("mean Dice; up is better")
    _legend(figure, scene, narrow=narrow)
    unnamed = labels.place(axes, _names(scene, narrow=narrow))
    svg = drawing.to_svg(
        figure,
        name="tradeoff-narrow" if narrow else "tradeoff",
        alt=f"Mean Dice against p50. On the Pareto front: {scene.front_names}.",
    )
    return svg, unnamed


def _draw_bars(axes: Any, scene: _Scene, at: int) -> None:
    """The interval of p50 across; up and down, where Dice lies against the best reference."""
    row, (x, y), found, best = scene.rows[at], scene.points[at], scene.losses[at], scene.best
    look: Mapping[str, Any] = {
        "color": scene.style.colours[row.model],
        "linewidth": 1.1,
        "alpha": 0.75,
        "linestyle": (0, (1, 1.5)) if drawing.doubtful(row) else "solid",
    }
    if row.latency_ms and row.latency_ms.median_interval:
        axes.plot(row.latency_ms.median_interval, (y, y), **look)
    if found and best and best.dice is not None:
        axes.plot((x, x), (best.dice - found.upper, best.dice - found.lower), **look)


def _names(scene: _Scene, *, narrow: bool) -> list[labels.Label]:
    """On a narrow picture only the front and the chosen row have names."""
    wanted = {at for at, row in enumerate(scene.rows) if at in scene.front or row is scene.chosen}
    return [
        labels.Label(
            x=point[0],
            y=point[1],
            text=f"{full_name(row) if at in wanted else short_name(row)}"
            f"{f' {_CROSS}' if row.gate == 'failed' else ''}",
            colour=scene.style.colours[row.model],
            dispensable=at not in wanted,
        )
        for at, (row, point) in enumerate(zip(scene.rows, scene.points, strict=True))
        if at in wanted or not narrow
    ]


def _legend(figure: Any, scene: _Scene, *, narrow: bool) -> None:
    from matplotlib.lines import Line2D

    def add(label: str, **keywords: Any) -> None:
        look = {"marker": "o", "color": GREY, "markersize": 7, "linestyle": "none"}
        handles.append(Line2D([], [], label=label, **{**look, **keywords}))

    handles: list[Any] = []
    for name in {row.model: 0 for row in scene.rows}:
        add(name, color=scene.style.colours[name])
    for name in {row.backend: 0 for row in scene.rows}:
        add(name, marker=scene.style.markers[name])
    for name in {row.precision: 0 for row in scene.rows}:
        add(name.upper(), markersize=drawing.SIZES.get(name, drawing.SPARE_SIZE))
    if any(drawing.doubtful(row) for row in scene.rows):
        add("not stable", markerfacecolor="white", markeredgewidth=1.4)
    if any(row is scene.chosen for row in scene.rows):
        add("chosen", markersize=13, markerfacecolor="none")
    if scene.best is not None:
        add("gate's limit", marker="", linestyle=_DASHED, linewidth=0.9)
    below: dict[str, Any] = {"loc": "outside lower center", "ncols": 3}
    place = below if narrow else {"loc": "outside right upper"}
    figure.legend(handles=handles, handletextpad=0.4, fontsize=9, **place)


def _caption(scene: _Scene, unnamed: int) -> str:
    text = (
        f"The grey line is the Pareto front: no other row is both faster and more accurate than "
        f"{scene.front_names} (differences of Dice below 0.0001 count as none; {_CROSS} marks rows "
        "that did not pass the gate). Bars across: the 95 % interval of p50. "
    )
    if scene.best is not None:
        confidence = f"{100 * accuracy.confidence(scene.run):g} %"
        text += (
            f"Bars up and down: the bounds of the mean Dice against {full_name(scene.best)}, the "
            f"most accurate FP32 row, over the same images ({confidence} on either side). The "
            f"dashed line is the loss of {accuracy.limit(scene.run):g} that the gate allows: a row "
            "whose bar crosses it has not been shown to be accurate enough. "
        )
    if any(drawing.doubtful(row) for row in scene.rows):
        text += "Hollow with dotted bars: a latency that is unstable or inconclusive. "
    return text + (f"Points that found no room for a name: {unnamed}." if unnamed else "")
