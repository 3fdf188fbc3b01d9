"""How figures look and become text: one colour per model, one marker per engine, small SVG."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scunext_edge.report.naming import models_of
from scunext_edge.results import Row

# Okabe and Ito's palette, which stays apart for the colour-blind; its pale yellow is left out,
# and grey comes last: lines and notes are grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#56B4E9", "#444444")
MARKERS = {
    "torch": "o",
    "onnxruntime": "s",
    "openvino": "^",
    "tensorrt": "D",
    "native": "P",
    "fake": "X",
}
SPARE_MARKERS = ("v", "p", "h", "<", ">")
SIZES = {"fp32": 10.5, "fp16": 8.5, "int8": 6.5}  # points; the coarser, the smaller
SPARE_SIZE = 8.5
INK, GREY, PALE = "#1f2933", "#66727f", "#dfe4e8"

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.image_inline": True,
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A drawing, what it shows in a few words, and how to read it."""

    title: str
    svg: str
    caption: str
    narrow_svg: str | None = None  # the same for a narrow screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What tells models, engines and precisions apart in every figure of one report."""

    colours: dict[str, str]
    markers: dict[str, str]

    def marker(self, row: Row) -> dict[str, Any]:
        """Keywords of matplotlib for the marker of one row."""
        colour = self.colours[row.model]
        return {
            "marker": self.markers[row.backend],
            "color": colour,
            "markersize": SIZES.get(row.precision, SPARE_SIZE),
            "markeredgecolor": colour,
            "markerfacecolor": "white" if doubtful(row) else colour,
            "markeredgewidth": 1.4,
        }


def style_for(rows: Sequence[Row]) -> Style:
    """Colours by the order of models, markers by the name of the engine."""
    engines = dict.fromkeys(row.backend for row in rows)
    spare = [name for name in engines if name not in MARKERS]
    extra = {name: SPARE_MARKERS[at % len(SPARE_MARKERS)] for at, name in enumerate(spare)}
    return Style(
        colours={name: COLOURS[at % len(COLOURS)] for at, name in enumerate(models_of(rows))},
        markers={name: (MARKERS | extra)[name] for name in engines},
    )


def doubtful(row: Row) -> bool:
    """Drawn hollow: what was judged, and not as stable."""
    return row.stability in ("unstable", "inconclusive")


@contextmanager
def settings() -> Iterator[None]:
    """Our look for as long as the block lasts; nothing of it stays in matplotlib."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        yield


def new_figure(width_in: float, height_in: float) -> Any:
    """A figure with a canvas of its own: no pyplot, no window, no state that others see."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def to_svg(figure: Any, *, name: str, alt: str) -> str:
    """The figure as an ``<svg>`` element whose ids start with ``name``; equal input, equal text."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    # a hundredth of a point is finer than any printer
    svg = re.sub(r"(?<=[ \"MLCQ,(-])(\d+\.\d\d)\d+", r"\1", svg)
    width, height = (round(72 * inches) for inches in figure.get_size_inches())
    opening = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{html.escape(alt)}">'
    )
    return opening + svg[svg.index(">") + 1 :].strip()


def spans_a_decade(values: Sequence[float]) -> bool:
    """Whether a linear axis would squeeze the small ones."""
    return min(values) > 0 and max(values) / min(values) >= 8


def milliseconds_axis(axes: Any, values: Sequence[float]) -> None:
    """Plain numbers at 1, 2, 5 of each decade along x; log only where the values need it."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if not spans_a_decade(values):
        return
    axes.set_xscale("log")
    wide = math.log10(max(values) / min(values)) > 3
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
