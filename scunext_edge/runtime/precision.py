"""Which number formats a network's arithmetic ran in, from what an engine reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

# x86 instructions that sum products of bytes in 32 bits
_WIDE_SUMS = {"avx512_vnni", "avx_vnni", "amx_int8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One operation that multiplied: a convolution, a matrix product."""

    name: str  # the engine's own
    precision: str  # of what was multiplied
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What really ran, of one image. ``conversions``: operations that only change the format."""

    work: tuple[Work, ...]
    conversions: int | None = None

    @property
    def shares(self) -> Mapping[str, float]:
        """The share of the MACs by precision, the largest first.

        Layers are weighed by MACs and not counted: a quantized network keeps its many tiny layers
        (attention) in float, and a count would call it by these.
        """
        macs: dict[str, int] = defaultdict(int)
        for it in self.work:
            macs[it.precision] += it.macs
        total = sum(macs.values())
        order = sorted(macs, key=lambda name: -macs[name])
        return {name: macs[name] / total for name in order} if total else {}

    @property
    def dominant(self) -> str | None:
        """The precision of most MACs; None if nothing was multiplied."""
        return next(iter(self.shares), None)

    def to_json(self) -> dict[str, Any]:
        """For a record."""
        return {
            "shares": dict(self.shares),
            "conversions": self.conversions,
            "work": [[it.name, it.precision, it.macs] for it in self.work],
        }


def conv_macs(weights: Sequence[int], output: Sequence[int]) -> int:
    """MACs of a convolution; ``weights`` [O, I/groups, ...] or [groups, O/groups, I/groups, ...].

    The groups stand apart where the weights have one dimension more than ``output``, [N, O, ...].
    """
    per_output = weights[2:] if len(weights) > len(output) else weights[1:]
    return prod(output) * prod(per_output)


def transposed_conv_macs(weights: Sequence[int], data: Sequence[int]) -> int:
    """MACs of a transposed convolution of ``data``, [N, I, ...], by ``weights`` as above."""
    per_input = weights[2:] if len(weights) > len(data) else weights[1:]
    return prod(data) * prod(per_input)


def matmul_macs(left: Sequence[int], output: Sequence[int]) -> int:
    """MACs of ``left`` [..., K] times a matrix giving ``output``."""
    return prod(output) * left[-1]


def sums_saturate(backend: str, precision: str | None, isa: Iterable[str]) -> bool:
    """Whether an engine that ran in ``precision`` adds pairs of INT8 products in 16 bits.

    OpenVINO's oneDNN does on x86 without VNNI, where such a sum ends at 32767: logits are then
    wrong by as much as the activations are large. No setting of the engine turns it off. ``isa``
    are a machine's instruction sets as :mod:`scunext_edge.benchmarks.passport` names them.
    """
    has = set(isa)
    return (backend, precision) == ("openvino", "int8") and "avx2" in has and not _WIDE_SUMS & has
