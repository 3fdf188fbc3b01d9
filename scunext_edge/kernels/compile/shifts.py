"""UNeXt's token shift, which exporters write as a Pad, ten Slices and a Concat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scunext_edge.kernels.compile.graph import Node, refuse
from scunext_edge.kernels.compile.network import Step
from scunext_edge.kernels.plan import WHOLE, Gather

_GROUPS, _REACH = 5, 2


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a tensor, reaching over its edges where it was padded; by axis of ``axes``."""

    step: Step
    axes: str
    begin: tuple[int, ...]
    length: tuple[int, ...]

    def padded(self, node: Node, before: Sequence[int], after: Sequence[int]) -> Window:
        """With zeros around; nothing may have been cut off before."""
        if any(self.begin) or min(*before, *after) < 0:
            refuse(node, "padding comes first in a token shift")
        return replace(
            self,
            begin=tuple(-amount for amount in before),
            length=tuple(
                length + first + last
                for length, first, last in zip(self.length, before, after, strict=True)
            ),
        )

    def cut(self, axis: int, first: int, last: int) -> Window:
        """Indices ``first`` to ``last`` of ``axis``."""
        axis %= len(self.axes)
        length = self.length[axis]
        first, last, _ = slice(first, last).indices(length)
        begin, lengths = list(self.begin), list(self.length)
        begin[axis] += first
        lengths[axis] = last - first
        return replace(self, begin=tuple(begin), length=tuple(lengths))


def whole(step: Step, axes: str, height: int, width: int) -> Window:
    """All of a tensor."""
    sides = {"N": 1, "C": step.channels, "H": height >> step.down_h, "W": width >> step.down_w}
    if step.is_vector:
        sides |= {"H": 1, "W": 1}
    return Window(step, axes, (0,) * len(axes), tuple(sides[axis] for axis in axes))


def join(node: Node, windows: list[Window]) -> tuple[Step, str]:
    """The shift that these windows, joined by ``node``, are."""
    step, axes = windows[0].step, windows[0].axes
    channel = axes.index("C")
    is_shift = (
        len(windows) == _GROUPS
        and all(window.step is step and window.axes == axes for window in windows)
        and int(node.attributes["axis"]) % len(axes) == channel
        and WHOLE not in (step.down_h, step.down_w)
    )
    for letter, gather in (("H", Gather.ROWS), ("W", Gather.COLUMNS)):
        if is_shift and windows == _groups(windows[0], channel, axes.index(letter)):
            shifted = Step(
                kind="shift",
                name=node.name,
                inputs=[step],
                channels=step.channels,
                down_h=step.down_h,
                down_w=step.down_w,
                gather=gather,
            )
            return shifted, axes
    refuse(node, "slices are joined as a token shift: 5 channel groups by -2 to 2 pixels")


def _groups(first: Window, channel: int, axis: int) -> list[Window]:
    """What the windows of a shift along ``axis`` must be."""
    channels = first.step.channels
    width = -(-channels // _GROUPS)
    found = []
    for group in range(_GROUPS):
        begin, length = [0] * len(first.axes), list(first.length)
        begin[channel] = group * width
        length[channel] = min(width, channels - group * width)
        begin[axis] = _REACH - group
        found.append(replace(first, begin=tuple(begin), length=tuple(length)))
    return found
