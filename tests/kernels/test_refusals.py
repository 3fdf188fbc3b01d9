"""What cannot be run, and what libscunext says about it: the thing, the reason, the remedy."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest

from scunext_edge.kernels import native
from scunext_edge.kernels.plan import (
    NONE,
    Act,
    Blob,
    BlobType,
    Gather,
    Kind,
    Op,
    Plan,
    Tensor,
    TensorType,
    make_blob,
)

F32, Q8, Q16 = TensorType.F32, TensorType.Q8, TensorType.Q16
AGAIN = "; export it again: scunext-edge export ARTIFACT --to native"
RECORDS = 128  # where they begin: the contract is short
TENSORS, OPS = 5, 5


def small():
    """normalize, conv, layernorm, linear and a tail, at 32 x 64."""
    random = np.random.default_rng(0)
    floats = [random.normal(size=n) for n in (3, 3, 8, 8, 8, 8, 1, 8)]
    blobs = [
        *(make_blob(floats[0], BlobType.F32), make_blob(floats[1], BlobType.F32)),
        make_blob(random.integers(-127, 128, 9 * 4 * 8), BlobType.INT8),  # 2: of conv
        *(make_blob(np.zeros(8), BlobType.INT32), make_blob(np.full(8, 1e-5), BlobType.F32)),
        *(make_blob(floats[2], BlobType.F32), make_blob(floats[3], BlobType.F32)),  # 5
        make_blob(random.normal(size=64), BlobType.BF16),  # 7: of linear
        make_blob(floats[4], BlobType.F32),
        *(make_blob(np.arange(8), BlobType.INT16), make_blob(floats[6], BlobType.F32)),  # 9
    ]
    half = {"channels": 8, "down_h": 1, "down_w": 1}
    tensors = [
        Tensor(type=Q8, channels=4, down_h=0, down_w=0, halo=1, scale=0.5),
        Tensor(type=Q8, scale=0.25, **half),
        Tensor(type=F32, halo=2, **half),
        Tensor(type=Q16, scale=0.125, **half),
        Tensor(type=F32, **half),  # nobody's
    ]
    ops = [
        Op(kind=Kind.NORMALIZE, outputs=(0,), blobs=(0, 1)),
        Op(kind=Kind.CONV, inputs=(0,), outputs=(1,), blobs=(2, 3, 4), stride=2, act=Act.RELU),
        Op(kind=Kind.LAYERNORM, inputs=(1,), outputs=(2,), blobs=(5, 6), values=(1e-5,)),
        Op(kind=Kind.LINEAR, inputs=(2,), outputs=(3,), blobs=(7, 8), gather=Gather.ROWS),
        Op(kind=Kind.TAIL_UPSAMPLE, inputs=(3,), blobs=(9, 10), values=(1e-4,)),
    ]
    sides = {"height": 32, "width": 64}
    return Plan(precision="int8", contract="{}", tensors=tensors, ops=ops, blobs=blobs, **sides)


def sealed(file):
    """With a checksum that fits."""
    file = bytearray(file)
    file[12:16] = bytes(4)
    file[12:16] = struct.pack("<I", zlib.crc32(file))
    return bytes(file)


def altered(form, offset, *values):
    file = bytearray(small().to_bytes())
    struct.pack_into(form, file, offset, *values)
    return sealed(file)


def tensor(index, **facts):
    plan = small()
    plan.tensors[index] = replace(plan.tensors[index], **facts)
    return plan.to_bytes()


def op(index, **facts):
    plan = small()
    plan.ops[index] = replace(plan.ops[index], **facts)
    return plan.to_bytes()


def weights(index, values, type=None):
    plan = small()
    type = plan.blobs[index].type if type is None else type
    plan.blobs[index] = make_blob(values, type)
    return plan.to_bytes()


def without(index):
    plan = small()
    del plan.ops[index]
    return plan.to_bytes()


def deeper():
    """A tail at a quarter of the image."""
    plan = small()
    plan.tensors[3] = replace(plan.tensors[3], down_h=2, down_w=2)
    plan.ops[3] = replace(plan.ops[3], gather=Gather.SKIP)
    return plan.to_bytes()


def refusal(file, **options):
    with pytest.raises(native.ScxError) as caught:
        native.open_model(file, **options)
    return str(caught.value)


def test_the_file_that_the_broken_ones_are_made_of_runs(native_library):
    model = native.open_model(small().to_bytes(), size=(64, 64))
    assert model.run(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 1, 64, 64)
    assert struct.unpack_from("<I", small().to_bytes(), 56) == (RECORDS,)
    assert (len(small().tensors), len(small().ops)) == (TENSORS, OPS)


TENSOR, OP = RECORDS, RECORDS + 16 * TENSORS
BLOB = OP + 112 * OPS
BROKEN_FILES = {
    "this is no .scx file: it has 63 bytes": lambda: small().to_bytes()[:63],
    "this is no .scx file: it does not begin like one": lambda: altered("B", 0, 1),
    "the file is of version 2, this library reads version 1": lambda: altered("<I", 8, 2),
    "the file's header gives it 63 bytes": lambda: altered("<Q", 16, 63),
    "the file's header has an unknown precision or flag": lambda: altered("<I", 24, 3),
    "the file has 1025 tensors, at most 1024 are possible": lambda: altered("<I", 36, 1025),
    "the file has 1025 operations, at most 1024": lambda: altered("<I", 40, 1025),
    "the file has 8193 weights, at most 8192": lambda: altered("<I", 44, 8193),
    "the file's contract would end behind its end": lambda: altered("<I", 52, 2**32 - 1),
    "the file's records would end behind its end": lambda: altered("<I", 56, 2**31),
    "the file's weights would end behind its end": lambda: altered("<I", BLOB + 4, 2**32 - 1),
    "weights 0 do not begin at a multiple of 64": lambda: altered("<Q", BLOB + 8, 65),
    "weights 0 have the unknown type 5": lambda: altered("<I", BLOB, 5),
    "tensor 0 has the unknown type 3": lambda: altered("B", TENSOR, 3),
    "tensor 0 has 4097 channels and a halo of 1": lambda: altered("<I", TENSOR + 4, 4097),
    "tensor 0 has 4 channels and a halo of 33": lambda: altered("B", TENSOR + 3, 33),
    "tensor 0 has the scale nan": lambda: tensor(0, scale=float("nan")),
    "tensor 2 has the scale 2": lambda: tensor(2, scale=2.0),
    "tensor 0 has the scale 1.4013e-45": lambda: tensor(0, scale=1e-45),
    "tensor 0 has the unknown flags 2": lambda: altered("<I", TENSOR + 12, 2),
    "operation 0 is of the unknown kind 18": lambda: altered("B", OP, 18),
    "operation 1 (conv) has a setting, an index": lambda: op(1, inputs=(TENSORS,)),
    "operation 0 (normalize) has a setting": lambda: altered("B", OP + 7, 1),
    "operation 2 (layernorm) has a setting": lambda: op(2, values=(float("inf"),)),
    "operation 1 (conv) reads tensor 3, which was not written": lambda: op(1, inputs=(3,)),
    "operation 3 (linear) writes tensor 2 again": lambda: op(3, outputs=(2,)),
    "operation 3 (linear): the last one, and no other, must be a tail": lambda: without(4),
    "the file has no operations": lambda: without(slice(None)),
    "operation 1 (conv): its stride or dilation does not exist": lambda: op(1, stride=0),
    "operation 1 (conv): it can pool at stride 1 and dilation 1 only": lambda: op(
        1, pool=True, stride=2
    ),
    "operation 2 (layernorm): it has the settings of a conv": lambda: op(2, pool=True),
    "operation 1 (conv): it has the settings of a linear": lambda: op(1, gather=Gather.ROWS),
    "operation 2 (layernorm): its mode does not exist": lambda: op(2, mode=1),
    "operation 0 (normalize): it cannot have an activation": lambda: op(0, act=Act.RELU),
    "operation 2 (layernorm): its value 0, epsilon, must be above 0": lambda: op(2, values=(0.0,)),
    "operation 2 (layernorm): its input is missing": lambda: op(2, inputs=()),
    "operation 2 (layernorm): its output is missing": lambda: op(2, outputs=()),
    "operation 2 (layernorm): input 1 cannot be used": lambda: op(2, inputs=(1, 0)),
    "operation 4 (tail_upsample): input 0 has a type that it cannot read": lambda: op(
        4, inputs=(1,)
    ),
    "operation 1 (conv): input 1 has the wrong size": lambda: op(1, inputs=(0, 0)),
    "operation 3 (linear): input 0 has too small a halo": lambda: tensor(2, halo=1),
    "operation 1 (conv): input 0 has too small a halo": lambda: op(1, dilation=2),
    "operation 4 (tail_upsample): it has the wrong number of outputs": lambda: op(4, outputs=(4,)),
    "operation 1 (conv): output 0 has the wrong size": lambda: tensor(1, down_w=2),
    "operation 2 (layernorm): output 0 has the wrong number of channels": lambda: tensor(
        2, channels=16
    ),
    "operation 0 (normalize): output 0 has a type": lambda: tensor(0, type=Q16),
    "operation 4 (tail_upsample): its result does not have the size of the image": deeper,
    "operation 1 (conv): weights 0 are missing": lambda: op(1, blobs=(NONE, 3, 4)),
    "operation 2 (layernorm): weights 2 cannot be used": lambda: op(2, blobs=(5, 6, 0)),
    "operation 1 (conv): weights 0 have the wrong count": lambda: weights(2, np.zeros(287)),
    "operation 1 (conv): weights 0 are of a type": lambda: weights(2, np.zeros(288), BlobType.BF16),
    "operation 1 (conv): weights 0 hold -128": lambda: weights(2, np.full(288, -128)),
    "operation 1 (conv): weights 1 would overflow": lambda: weights(3, np.full(8, 2**31 - 2**18)),
    "operation 4 (tail_upsample): weights 0 would overflow": lambda: weights(9, np.full(8, 8200)),
    "operation 2 (layernorm): weights 0 hold what is no number": lambda: weights(
        5, np.full(8, np.nan)
    ),
    "operation 3 (linear): weights 0 hold what is no number": lambda: weights(7, [np.inf] * 64),
}


@pytest.mark.parametrize("reason", BROKEN_FILES)
def test_a_broken_file_is_refused_by_what_is_broken(native_library, reason):
    message = refusal(BROKEN_FILES[reason]())
    assert message.startswith(reason)
    assert message.endswith(AGAIN) or ": it is cut short or damaged; copy or export it" in message


def test_sizes_that_no_image_may_have(native_library):
    remedy = "must be a multiple of 32 up to 4096; resize the image"
    file = small().to_bytes()
    assert refusal(altered("<I", 28, 33)) == f"the height in the file is 33, and {remedy}"
    assert refusal(altered("<I", 32, 4128)) == f"the width in the file is 4128, and {remedy}"
    assert refusal(file, size=(48, 64)) == f"the height is 48, and {remedy}"
    assert refusal(file, size=(64, -32)) == f"the width is -32, and {remedy}"


def test_a_file_of_another_length_or_content_is_damaged(native_library):
    file = small().to_bytes()
    stated = f"the file has {len(file) - 1} bytes, by its header {len(file)}: it is cut short"
    assert refusal(file[:-1]).startswith(stated)
    flipped = bytearray(file)
    flipped[-1] ^= 1
    message = "the file's checksum does not fit: it is damaged; copy or export it again"
    assert refusal(bytes(flipped)).startswith(message)


def test_a_plan_that_would_take_too_much_memory_names_a_remedy(native_library):
    """Before memory is taken: a broken file must not bring a machine down."""
    message = refusal(wide().to_bytes(), size=(4096, 4096))
    pattern = r"images of 4096x4096 would take \d+ MiB, at most 2048 are possible; "
    assert re.fullmatch(pattern + "open it for smaller ones", message)


def wide():
    """256 channels at half of the image."""
    plan = small()
    count = 256
    plan.tensors[1:3] = [replace(it, channels=count) for it in plan.tensors[1:3]]
    sizes = {2: 36 * count, 3: count, 4: count, 5: count, 6: count, 7: 8 * count}
    for index, size in sizes.items():
        stored = np.zeros(size, plan.blobs[index].stored.dtype)
        plan.blobs[index] = Blob(type=plan.blobs[index].type, stored=stored)
    return plan


def test_options_that_make_no_sense(native_library):
    file = small().to_bytes()
    usable = " ".join(native.instruction_sets())
    assert refusal(file, isa="mmx") == (
        f'the instruction set "mmx" cannot be used here; choose one of: {usable}'
    )
    assert refusal(file, threads=65) == "65 threads were asked for; 1 to 64 are possible"
    assert refusal(file, spin_us=-2) == "spin_us is -2; -1 to 1000000 are possible"


def test_paths_that_hold_no_model(native_library, tmp_path):
    path = tmp_path / "m.scx"
    assert refusal(path) == f"{path} cannot be opened; is the path right?"
    path.write_bytes(b"short")
    assert refusal(path) == f"{path} is no .scx file: it is shorter than a header"
    path.write_bytes(small().to_bytes() + b"more")
    assert refusal(path) == (
        f"{path} has not the size that its header states: it is cut short or damaged; copy it again"
    )
