"""Which number format most of a network's arithmetic ran in, from what an engine reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import prod

# x86 instructions that sum products of bytes in 32 bits
_WIDE_SUMS = {"avx512_vnni", "avx_vnni", "amx_int8"}


def dominant(work: Iterable[tuple[str, int]]) -> str | None:
    """The precision with the most MACs, of (precision, MACs) pairs; None if there are none.

    Layers are weighed by MACs and not counted: a quantized network keeps its many tiny layers
    (attention) in float, and a count would call it by these.
    """
    macs: dict[str, int] = defaultdict(int)
    for precision, count in work:
        macs[precision] += count
    return max(macs, key=lambda name: macs[name]) if macs else None


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
    are a machine's instruction sets as :mod:`scunext_edge.benchmarks.environment` names them.
    """
    has = set(isa)
    return (backend, precision) == ("openvino", "int8") and "avx2" in has and not _WIDE_SUMS & has
