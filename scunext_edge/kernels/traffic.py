"""What one operation of a plan must move, and what its products are made of."""

from __future__ import annotations

from math import prod

from scunext_edge.kernels.native import Arithmetic
from scunext_edge.kernels.plan import NONE, TAILS, BlobType, Kind, Op, Plan, TensorType

_ITEM = {TensorType.F32: 4, TensorType.Q8: 1, TensorType.Q16: 2}
_INTEGERS = {BlobType.INT8, BlobType.INT16}


def arithmetic(plan: Plan, op: Op) -> Arithmetic:
    """What the products are made of: its first weights tell."""
    kinds = [plan.blobs[blob].type for blob in op.blobs if blob != NONE]
    return "int8" if kinds and kinds[0] in _INTEGERS else "f32"


def traffic(plan: Plan, op: Op, size: int) -> int:
    """Bytes that must be read or written once: activations, weights, image and mask."""
    moved = 0
    # Of its second input a channel gate takes the size alone
    read = op.inputs[:1] if op.kind is Kind.CHANNEL_GATE else op.inputs
    for index in {*read, *op.outputs} - {NONE}:
        tensor = plan.tensors[index]
        moved += prod(tensor.shape(size, size)) * _ITEM[tensor.type]
    for index in {*op.blobs} - {NONE}:
        blob = plan.blobs[index]
        moved += blob.stored.size * (4 if blob.type is BlobType.BF16 else blob.stored.itemsize)
    if op.kind is Kind.NORMALIZE:
        moved += 3 * size * size
    return moved + size * size if op.kind in TAILS else moved
