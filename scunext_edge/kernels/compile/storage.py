"""How each step's result is stored: f32, or int8 where quantized layers read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scunext_edge.kernels.compile.network import NEAREST, Network, Step
from scunext_edge.kernels.plan import WHOLE, TensorType

COARSE = 4  # from 1/16 of the image on, a second form in f32 costs next to nothing
_Q16_RANGE = 2000  # of 2047: values of the last map may lie a little above what was calibrated


@dataclass(frozen=True, slots=True)
class Form:
    """A stored type with its scale."""

    type: TensorType
    scale: float = 1.0


F32 = Form(TensorType.F32)


@dataclass(frozen=True, slots=True)
class Wish:
    """What one reader asks of a tensor.

    ``must``: quantized with ``scale`` (or ``q16``), or f32. ``copies``: it hands the numbers on,
    so int8 loses nothing. ``joins``: the same, but other maps may need a larger scale. ``any``:
    it computes in float from whatever there is.
    """

    kind: Literal["must", "copies", "joins", "any"]
    form: Form = F32


def choose(network: Network) -> dict[Step, list[Form]]:
    """One or two forms of every step's result, the first being int8 if there is one.

    A tensor is stored as int8 once, with the largest scale that its quantized readers ask for, and
    its float readers (skips, gates) read the same numbers; at 1/16 of the image and below they
    get f32.
    """
    steps = network.steps()
    wishes: dict[Step, list[Wish]] = {step: [] for step in steps}
    forms: dict[Step, list[Form]] = {}
    for step in reversed(steps):  # readers first: some hand on what is asked of them
        forms[step] = _forms(step, wishes[step])
        for source, wish in _wishes(step, forms[step]):
            wishes[source].append(wish)
    return forms


def _forms(step: Step, wishes: list[Wish]) -> list[Form]:
    if any(wish.form.type is TensorType.Q16 for wish in wishes):
        return [wish.form for wish in wishes[:1]]
    asked = [wish for wish in wishes if wish.form.type is TensorType.Q8]
    scales = [wish.form.scale for wish in asked if wish.kind in ("must", "copies")]
    scales = scales or [wish.form.scale for wish in asked]
    if not scales:
        return [F32]
    q8 = Form(TensorType.Q8, max(scales))
    must_float = any(wish == Wish("must", F32) for wish in wishes)
    may_float = any(wish.kind == "any" for wish in wishes)
    is_coarse = COARSE <= step.down_h < WHOLE
    return [q8, F32] if must_float or (may_float and is_coarse) else [q8]


def _wishes(step: Step, forms: list[Form]) -> Iterator[tuple[Step, Wish]]:
    """What ``step``, itself stored as ``forms``, asks of all that it reads."""
    if step.addend is not None:
        yield step.addend, Wish("any")
    if step.kind in ("conv", "linear", "deconv", "tail_deconv"):
        for source, weights in zip(step.inputs, step.filters, strict=False):
            assert source is not None
            scale = weights.input_scale if weights.is_int8 else None
            yield source, Wish("must", F32 if scale is None else Form(TensorType.Q8, scale))
    elif step.kind in ("tail", "tail_upsample"):
        yield step.x, _tail_wish(step)
    elif step.kind == "channel_gate":  # of its second input it takes the size alone
        yield step.x, Wish("any")
    else:
        hands_on = step.kind == "max_pool" or (step.kind == "upsample" and step.mode == NEAREST)
        kind: Literal["copies", "joins"] = "joins" if step.kind == "concat" else "copies"
        is_copy = (hands_on or step.kind == "concat") and step.is_plain
        for source in (source for source in step.inputs if source is not None):
            if is_copy and forms[0].type is TensorType.Q8:
                yield source, Wish(kind, forms[0])
            if not is_copy or F32 in forms:
                yield source, Wish("any")


def _tail_wish(step: Step) -> Wish:
    scale = step.filters[0].input_scale
    if scale is None:
        return Wish("must" if step.kind == "tail_upsample" else "any")
    if step.kind == "tail":
        return Wish("must", Form(TensorType.Q8, scale))
    q16 = np.float32(127 * scale / _Q16_RANGE)
    return Wish("must", Form(TensorType.Q16, float(q16)))
