"""The file of a plan: written, read back, refused when it is broken."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from scunext_edge.errors import ArtifactError
from scunext_edge.kernels.plan import (
    Act,
    BlobType,
    Gather,
    Kind,
    Op,
    Plan,
    Tensor,
    TensorType,
    make_blob,
    read_plan,
)


def small():
    """Normalize, a linear and a tail, with every type of blob."""
    blobs = [
        make_blob(np.arange(3) / 255, BlobType.F32),
        make_blob([0.0, 1.5, -2.0], BlobType.F32),
        make_blob(np.ones((4, 8)), BlobType.BF16),
        make_blob(np.zeros(8), BlobType.F32),
        make_blob(range(-4, 4), BlobType.INT8),
        make_blob([7], BlobType.INT32),
        make_blob([-300], BlobType.INT16),
    ]
    tensors = [
        Tensor(type=TensorType.Q8, channels=4, down_h=0, down_w=0, halo=1, scale=0.5),
        Tensor(type=TensorType.F32, channels=8, down_h=1, down_w=255, nonnegative=True),
    ]
    ops = [
        Op(kind=Kind.NORMALIZE, outputs=(0,), blobs=(0, 1)),
        Op(
            kind=Kind.LINEAR,
            inputs=(0,),
            outputs=(1,),
            blobs=(2, 3),
            act=Act.GELU,
            gather=Gather.POOL,
        ),
        Op(kind=Kind.TAIL, inputs=(1,), blobs=(4, 5), values=(0.25,), stride=2, dilation=15),
    ]
    return Plan(
        precision="bf16",
        height=64,
        width=96,
        contract='{"µ": 1}',
        tensors=tensors,
        ops=ops,
        blobs=blobs,
    )


def altered(file, offset, content):
    """``file`` with other bytes at ``offset`` and a checksum that fits."""
    changed = bytearray(file)
    changed[offset : offset + len(content)] = content
    changed[12:16] = bytes(4)
    changed[12:16] = struct.pack("<I", zlib.crc32(changed))
    return bytes(changed)


def test_read_back():
    plan = small()
    read = read_plan(plan.to_bytes())
    assert (read.precision, read.height, read.width) == ("bf16", 64, 96)
    assert read.contract == plan.contract
    assert read.tensors == plan.tensors
    assert read.ops == plan.ops
    for blob, again in zip(plan.blobs, read.blobs, strict=True):
        assert again.type is blob.type
        np.testing.assert_array_equal(again.stored, blob.stored)
    assert read.to_bytes() == plan.to_bytes()


def test_the_layout_is_that_of_the_document():
    file = small().to_bytes()
    assert file[:8] == b"SCUNEXT\0"
    assert struct.unpack_from("<IIQIIIIII", file, 8)[::2] == (1, len(file), 64, 2, 7)
    assert struct.unpack_from("<II", file, 48) == (64, len('{"µ": 1}'.encode()))
    (records,) = struct.unpack_from("<I", file, 56)
    op = records + 2 * 16 + 112
    assert list(file[op : op + 8]) == [2, 2, 1, 1, 0, 3, 0, 0]
    assert struct.unpack_from("<8i2i12i", file, op + 8)[:3] == (0, -1, -1)
    blob = records + 2 * 16 + 3 * 112 + 2 * 16
    kind, count, offset = struct.unpack_from("<IIQ", file, blob)
    assert (kind, count, offset % 64) == (1, 32, 0)
    assert file[offset : offset + 2] == b"\x80\x3f"  # 1.0 as bf16


def test_bf16_rounds_to_nearest_even():
    bits = np.array([0x3F800000, 0x3F808000, 0x3F818000, 0x3F808001, 0xBF807FFF], np.uint32)
    blob = make_blob(bits.view(np.float32), BlobType.BF16)
    assert [hex(value) for value in blob.stored] == [
        "0x3f80",
        "0x3f80",
        "0x3f82",
        "0x3f81",
        "0xbf80",
    ]
    assert blob.values.dtype == np.float32
    assert blob.values[0] == 1


def test_tensor_sides():
    tensor = small().tensors[1]
    assert tensor.shape(64, 96) == (32, 1, 8)


def test_any_flipped_bit_is_seen():
    file = small().to_bytes()
    for offset in range(0, len(file), 7):
        broken = bytearray(file)
        broken[offset] ^= 4
        with pytest.raises(ArtifactError, match=r"no \.scx file"):
            read_plan(bytes(broken))


@pytest.mark.parametrize("length", [0, 7, 63, 64, 200, -1])
def test_cut_short(length):
    with pytest.raises(ArtifactError, match=r"no \.scx file"):
        read_plan(small().to_bytes()[:length])


@pytest.mark.parametrize(
    ("offset", "content", "reason"),
    [
        (8, struct.pack("<I", 2), "version 2"),
        (24, struct.pack("<I", 3), "range"),
        (28, struct.pack("<I", 33), "side of its image is 33"),
        (36, struct.pack("<I", 1 << 30), "reach past"),
        (56, struct.pack("<I", 1 << 30), "reach past"),
        (128, b"\x07", "TensorType"),
        (132, struct.pack("<I", 0), "0 channels"),
        (136, struct.pack("<f", float("nan")), "scale nan"),
        (160, b"\x63", "99 is not a valid Kind"),
        (160 + 112 + 8, struct.pack("<i", 1), "operation 1 reads"),
        (160 + 112 + 8 + 32, struct.pack("<i", 0), "operation 1 writes"),
        (160 + 112 + 8 + 40, struct.pack("<i", 7), "operation 1 has weights"),
        (160 + 224, b"\x02", "must be a tail"),
    ],
)
def test_broken_parts_are_named(offset, content, reason):
    with pytest.raises(ArtifactError, match=reason):
        read_plan(altered(small().to_bytes(), offset, content))
