"""A small line picture: p50 with its interval, run by run, and where something changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scunext_edge.report import drawing
from scunext_edge.report.drawing import COLOURS, GREY
from scunext_edge.results import Latency

if TYPE_CHECKING:
    from scunext_edge.report.history import Point


def timeline(points: Sequence[Point], *, name: str, title: str) -> str:
    """The runs at equal distances; a dashed line stands before a run in which something changed."""
    with drawing.settings():
        figure = drawing.new_figure(4.6, 1.9)
        axes = figure.add_subplot()
        timed = [(at, it) for at, it in enumerate(points) if it.latency]
        for at, it in timed:
            assert it.latency is not None
            if it.latency.median_interval:
                axes.plot((at, at), it.latency.median_interval, color=COLOURS[0], lw=1.2)
            if it.changes:
                axes.axvline(at - 0.5, color=GREY, lw=0.9, ls=(0, (4, 3)))
            hollow = it.stability in ("unstable", "inconclusive")
            face = "white" if hollow else COLOURS[0]
            axes.plot(at, it.latency.median, "o", ms=6, color=COLOURS[0], mfc=face, mew=1.3)
        line = [it.latency.median for _, it in timed if it.latency]
        axes.plot([at for at, _ in timed], line, color=COLOURS[0], lw=1, alpha=0.6, zorder=1)
        axes.set_xlim(-0.6, len(points) - 0.4)
        axes.set_xticks(range(len(points)), [_short(it.when, len(points)) for it in points])
        axes.set_ylim(*_reach([it.latency for _, it in timed if it.latency]))
        axes.set_ylabel("p50, ms")
        words = ", ".join(it.text for _, it in timed if it.text)
        return drawing.to_svg(figure, name=name, alt=f"{title}: p50 in ms, run by run: {words}.")


def _reach(latencies: Sequence[Latency]) -> tuple[float, float]:
    """All intervals, and a fifth of the values at least: a steady case should look steady."""
    ends = [end for it in latencies for end in it.median_interval or (it.median,)]
    middle = (min(ends) + max(ends)) / 2
    half = max(0.55 * (max(ends) - min(ends)), 0.1 * middle)
    return max(0.0, middle - half), middle + half


def _short(when: str, count: int) -> str:
    """The day, and below it the time of day, where there is room."""
    day, _, rest = when.partition(" ")
    return f"{day[5:] if count > 4 else day}\n{rest.removesuffix(' UTC')}"
