"""What a plan means, in numpy: obvious and slow. ``docs/scx.md`` says the same in words.

Every kernel is tested against this. Results in integers and in the fixed order of float32 are
equal to the bit; convolutions with float32 weights are not (here they are summed in float64).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scunext_edge.kernels.plan import NONE, TAILS, Op, Plan
from scunext_edge.kernels.reference.arithmetic import Floats, Stored, activate, score, store, value
from scunext_edge.kernels.reference.inputs import Inputs
from scunext_edge.kernels.reference.operations import COMPUTE

__all__ = ["run", "run_op", "run_tensors", "score"]


def run(plan: Plan, images: npt.NDArray[np.uint8]) -> Floats:
    """Logits, [N, 1, H, W], of images, [N, H, W, 3]: their sides are multiples of 32."""
    last = len(plan.tensors)
    return np.stack([run_tensors(plan, image)[last] for image in images])[:, None]


def run_tensors(plan: Plan, image: npt.NDArray[np.uint8]) -> dict[int, Stored]:
    """Every tensor as stored, and under the next free index the logits, [H, W]."""
    tensors: dict[int, Stored] = {}
    for op in plan.ops:
        results = run_op(plan, op, tensors, image)
        if op.kind in TAILS:
            (tensors[len(plan.tensors)],) = results
        tensors.update(zip((at for at in op.outputs if at != NONE), results, strict=False))
    return tensors


def run_op(
    plan: Plan, op: Op, tensors: dict[int, Stored], image: npt.NDArray[np.uint8] | None = None
) -> list[Stored]:
    """The outputs of one operation as stored; of a tail the logits, [H, W]."""
    outputs = [plan.tensors[at] for at in op.outputs if at != NONE]
    inputs = Inputs(
        op=op,
        tensors=[None if at == NONE else plan.tensors[at] for at in op.inputs],
        stored=[None if at == NONE else tensors[at] for at in op.inputs],
        weights=[None if at == NONE else plan.blobs[at].values for at in op.blobs],
        image=image,
        channels=outputs[0].channels if outputs else 1,
    )
    with np.errstate(all="ignore"):  # infinities and NaNs go their way, as in the kernels
        results = COMPUTE[op.kind](inputs)
        if op.kind in TAILS:
            return list(results)
        results = [activate(op.act, it) for it in results]
        if op.addend != NONE:
            addend = value(plan.tensors[op.addend], tensors[op.addend])
            results = [it + addend for it in results]
        if len(results) == 1:
            results *= len(outputs)  # each output takes the same value
        return [store(out, it) for out, it in zip(outputs, results, strict=True)]
