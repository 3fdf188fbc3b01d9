"""Where a step's channels lie in the stored tensor, whose channels are multiples of 8."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scunext_edge.errors import ExportError
from scunext_edge.kernels.compile.graph import Array
from scunext_edge.kernels.compile.network import AFFINE, Step
from scunext_edge.kernels.plan import Gather

MULTIPLE = 8
_SHIFTS = (Gather.ROWS, Gather.COLUMNS)


@dataclass(frozen=True, slots=True)
class Lanes:
    """Channel i is stored as channel ``places[i]`` of ``count``; the others hold no meaning."""

    places: npt.NDArray[np.int64]
    count: int

    @property
    def is_padded(self) -> bool:
        """Whether anything stands between or after the channels."""
        return len(self.places) != self.count

    def same_as(self, other: Lanes) -> bool:
        """Whether channels lie at the same places."""
        return self.count == other.count and np.array_equal(self.places, other.places)

    def spread(self, values: Array, axis: int = -1) -> Array:
        """``values`` by channel along ``axis``, with zeros where no channel is."""
        shape = list(values.shape)
        shape[axis] = self.count
        spread = np.zeros(shape, values.dtype)
        np.moveaxis(spread, axis, 0)[self.places] = np.moveaxis(values, axis, 0)
        return spread


def padded(channels: int, multiple: int = MULTIPLE) -> Lanes:
    """Channels in their order, then zeros up to a multiple."""
    return Lanes(np.arange(channels), -(-channels // multiple) * multiple)


def lanes_of(step: Step, known: Mapping[Step, Lanes]) -> Lanes:
    """Of the result of ``step``; ``known`` holds those of all that it reads."""
    lanes = _lanes(step, known)
    _check(step, known, lanes)
    return lanes


def _lanes(step: Step, known: Mapping[Step, Lanes]) -> Lanes:
    if step.kind == "normalize" or step.channels == 1:
        return padded(step.channels, 1)
    if step.kind in ("conv", "linear", "deconv"):
        return padded(step.channels)
    if step.kind == "concat":
        return _joined([known[source] for source in step.sources])
    if step.kind == "channel_stats":
        return _joined([known[step.x]] * 2)
    if step.kind == "channel_gate":
        return known[step.sources[1]]
    return known[step.x]


def _joined(parts: list[Lanes]) -> Lanes:
    starts = np.cumsum([0, *(part.count for part in parts)])
    places = [part.places + start for part, start in zip(parts, starts, strict=False)]
    return Lanes(np.concatenate(places), int(starts[-1]))


def _check(step: Step, known: Mapping[Step, Lanes], lanes: Lanes) -> None:
    reads_channels_alike = step.kind == "cross" or (step.kind == "eltwise" and step.mode != AFFINE)
    others = [step.addend] if step.addend is not None else []
    if reads_channels_alike:
        others += [source for source in step.inputs if source is not None and source.channels > 1]
    if not all(known[other].same_as(lanes) for other in others):
        raise ExportError(
            f"the native engine cannot take {step.name}: it reads maps of {step.channels} channels "
            "that are padded at different places"
        )
    is_over_all = step.kind in ("layernorm", "spatial_summary") or step.gather in _SHIFTS
    if is_over_all and known[step.x].is_padded:
        raise ExportError(
            f"the native engine cannot take {step.name} on {step.x.channels} channels: "
            f"layer norms, token shifts and spatial gates need a multiple of {MULTIPLE}"
        )
