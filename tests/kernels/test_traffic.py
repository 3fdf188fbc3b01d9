"""What operations of a plan move, counted by hand."""

from __future__ import annotations

import pytest

from scunext_edge.kernels.plan import (
    WHOLE,
    BlobType,
    Kind,
    Op,
    Plan,
    Tensor,
    TensorType,
    make_blob,
)
from scunext_edge.kernels.traffic import arithmetic, traffic

SIZE = 32
PLAN = Plan(
    precision="int8",
    height=SIZE,
    width=SIZE,
    contract="{}",
    tensors=[
        Tensor(type=TensorType.Q8, channels=4, down_h=0, down_w=0),
        Tensor(type=TensorType.F32, channels=8, down_h=1, down_w=1),
        Tensor(type=TensorType.F32, channels=16, down_h=1, down_w=WHOLE),
        Tensor(type=TensorType.F32, channels=8, down_h=WHOLE, down_w=WHOLE),
    ],
    blobs=[
        make_blob([0] * 100, BlobType.INT8),
        make_blob([0] * 8, BlobType.F32),
        make_blob([0] * 10, BlobType.BF16),
    ],
)
IMAGE, MAP, ROWS, VECTOR = 32 * 32 * 4, 4 * 16 * 16 * 8, 4 * 16 * 16, 4 * 8


@pytest.mark.parametrize(
    ("op", "moved", "products"),
    [
        (Op(kind=Kind.NORMALIZE, outputs=(0,), blobs=(1,)), 3 * 32 * 32 + IMAGE + 32, "f32"),
        (Op(kind=Kind.CONV, inputs=(0,), outputs=(1,), blobs=(0, 1)), IMAGE + MAP + 132, "int8"),
        (Op(kind=Kind.CONV, inputs=(1, 1), outputs=(1,), blobs=(2, 2)), MAP + 40, "f32"),
        (Op(kind=Kind.TAIL, inputs=(1,), blobs=(1,)), MAP + 32 + 32 * 32, "f32"),
        # of the map it is only told how large it is
        (Op(kind=Kind.CHANNEL_GATE, inputs=(2, 1), outputs=(3,), blobs=(1,)), ROWS + 64, "f32"),
    ],
)
def test_everything_that_is_read_or_written_counts_once(op, moved, products):
    assert traffic(PLAN, op, SIZE) == moved
    assert arithmetic(PLAN, op) == products
