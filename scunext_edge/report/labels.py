"""Names beside points so that none covers another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scunext_edge.report.drawing import GREY

_DIRECTIONS = ((1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (-1, 0), (0, 1), (0, -1))
_DISTANCES_PT = (8, 15, 24, 34, 46, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name for the point at ``x``, ``y`` of the axes; a dispensable one may be left out."""

    x: float
    y: float
    text: str
    colour: str
    dispensable: bool = True


def place(axes: Any, labels: Sequence[Label]) -> int:
    """Write the labels, the indispensable first; return how many found no room."""
    figure = axes.figure
    figure.canvas.draw()
    frame = axes.get_window_extent()
    points = [axes.transData.transform((label.x, label.y)) for label in labels]
    taken = [_box(at[0], at[1], 5 * figure.dpi / 72) for at in points]
    missing = 0
    for label in sorted(labels, key=lambda label: label.dispensable):
        note = _first_free(axes, label, taken, frame)
        if note is None:
            missing += 1
    return missing


def _first_free(axes: Any, label: Label, taken: list[Any], frame: Any) -> Any:
    note = None
    for distance, direction in _candidates():
        note = _write(axes, label, distance, direction)
        box = _extent(note, axes.figure)
        inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
        inside = inside and frame.y0 <= box.y0 and box.y1 <= frame.y1
        if inside and not any(box.overlaps(other) for other in taken):
            taken.append(box)
            return note
        note.remove()
    if label.dispensable:
        return None
    return _write(axes, label, _DISTANCES_PT[0], _DIRECTIONS[0])


def _candidates() -> Iterator[tuple[float, tuple[int, int]]]:
    for distance in _DISTANCES_PT:
        for direction in _DIRECTIONS:
            yield distance, direction


def _write(axes: Any, label: Label, distance: float, direction: tuple[int, int]) -> Any:
    across, up = direction
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4}
    note = axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=(across * distance, up * distance),
        textcoords="offset points",
        ha={1: "left", 0: "center", -1: "right"}[across],
        va={1: "bottom", 0: "center", -1: "top"}[up],
        fontsize=8.5,
        color=label.colour,
        fontweight="normal" if label.dispensable else "bold",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.4},
        arrowprops=line if distance > _DISTANCES_PT[1] else None,
    )
    note.set_in_layout(False)
    return note


def _extent(note: Any, figure: Any) -> Any:
    """The text alone: with a leader line, its own point would stand in its way."""
    from matplotlib.text import Text

    note.update_positions(figure.canvas.get_renderer())
    return Text.get_window_extent(note, figure.canvas.get_renderer()).padded(2)


def _box(x: float, y: float, radius: float) -> Any:
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(x - radius, y - radius, x + radius, y + radius)
