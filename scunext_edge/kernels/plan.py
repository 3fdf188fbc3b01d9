"""A plan, which is what an ``.scx`` file holds: tensors, operations as they run, weights.

``docs/scx.md`` specifies the file and what every operation means.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from scunext_edge.errors import ArtifactError

MAGIC = b"SCUNEXT\0"
VERSION = 1
NONE = -1  # an input, output or blob that is not there
WHOLE = 255  # of down_h and down_w: the side is 1, whatever the image's
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")

MAX_TENSORS, MAX_OPS, MAX_BLOBS = 1024, 1024, 8192
MAX_SIDE, MAX_CHANNELS, MAX_HALO = 4096, 4096, 32
INPUTS, OUTPUTS, BLOBS, VALUES = 8, 2, 12, 2  # of an operation

_HEADER = struct.Struct("<8sIIQIIIIIIIIII")
_TENSOR = struct.Struct("<BBBBIfI")
_OP = struct.Struct("<8B8i2i12i2f2I")
_BLOB = struct.Struct("<IIQ")
_ALIGNMENT = 64

Precision = Literal["fp32", "bf16", "int8"]


class TensorType(IntEnum):
    """How a tensor is stored."""

    F32 = 0
    Q8 = 1
    Q16 = 2


class BlobType(IntEnum):
    """How weights are stored."""

    F32 = 0
    BF16 = 1
    INT8 = 2
    INT16 = 3
    INT32 = 4


class Kind(IntEnum):
    """What an operation is."""

    NORMALIZE = 0
    CONV = 1
    LINEAR = 2
    DEPTHWISE = 3
    LAYERNORM = 4
    UPSAMPLE = 5
    DECONV = 6
    MAX_POOL = 7
    CHANNEL_STATS = 8
    CHANNEL_GATE = 9
    SPATIAL_SUMMARY = 10
    SPATIAL_GATE = 11
    CROSS = 12
    ELTWISE = 13
    CONCAT = 14
    TAIL = 15
    TAIL_UPSAMPLE = 16
    TAIL_DECONV = 17


class Act(IntEnum):
    """What follows ``f``, before the addend."""

    NONE = 0
    RELU = 1
    GELU = 2
    SIGMOID = 3


class Gather(IntEnum):
    """Which pixels a ``linear`` reads."""

    PLAIN = 0
    ROWS = 1
    COLUMNS = 2
    POOL = 3
    SKIP = 4


# The inputs at which an operation's addend may stand
ADDEND = {Kind.CONV: 1, Kind.LINEAR: 1, Kind.DEPTHWISE: 1, Kind.UPSAMPLE: 1, Kind.DECONV: 3}
TAILS = (Kind.TAIL, Kind.TAIL_UPSAMPLE, Kind.TAIL_DECONV)

_STORED: dict[BlobType, np.dtype[Any]] = {
    BlobType.F32: np.dtype("<f4"),
    BlobType.BF16: np.dtype("<u2"),
    BlobType.INT8: np.dtype("i1"),
    BlobType.INT16: np.dtype("<i2"),
    BlobType.INT32: np.dtype("<i4"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """Activations, NHWC; the side is the image's shifted right by ``down_h``, ``down_w`` bits."""

    type: TensorType
    channels: int
    down_h: int
    down_w: int
    halo: int = 0
    scale: float = 1.0
    nonnegative: bool = False

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """[H, W, C] for an image of ``height`` x ``width``."""
        return (_side(height, self.down_h), _side(width, self.down_w), self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Weights as they are stored: flat; bf16 as the upper halves of f32, in uint16."""

    type: BlobType
    stored: npt.NDArray[Any]

    @property
    def values(self) -> npt.NDArray[Any]:
        """The numbers themselves, flat; bf16 as float32."""
        if self.type is not BlobType.BF16:
            return self.stored
        return (self.stored.astype(np.uint32) << 16).view(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operation; ``inputs``, ``outputs`` and ``blobs`` are indices, padded with ``NONE``."""

    kind: Kind
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    blobs: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    act: Act = Act.NONE
    stride: int = 1
    dilation: int = 1
    pool: bool = False
    gather: Gather = Gather.PLAIN
    mode: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _padded(self.inputs, INPUTS, NONE))
        object.__setattr__(self, "outputs", _padded(self.outputs, OUTPUTS, NONE))
        object.__setattr__(self, "blobs", _padded(self.blobs, BLOBS, NONE))
        object.__setattr__(self, "values", _padded(self.values, VALUES, 0.0))

    @property
    def addend(self) -> int:
        """The tensor added after ``act``, or ``NONE``."""
        return self.inputs[ADDEND[self.kind]] if self.kind in ADDEND else NONE


@dataclass(slots=True, kw_only=True)
class Plan:
    """All of an ``.scx`` file."""

    precision: Precision
    height: int
    width: int
    contract: str  # JSON
    tensors: list[Tensor] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    blobs: list[Blob] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """The file. The same plan gives the same bytes."""
        contract = self.contract.encode()
        records_at = _aligned(_HEADER.size + len(contract))
        counts = len(self.tensors), len(self.ops), len(self.blobs)
        sizes = _TENSOR.size, _OP.size, _BLOB.size
        end = records_at + sum(n * size for n, size in zip(counts, sizes, strict=True))
        places, end = _place(self.blobs, end)
        file = bytearray(end)
        head = (PRECISIONS.index(self.precision), self.height, self.width, *counts)
        where = (_HEADER.size, len(contract), records_at, 0)
        _HEADER.pack_into(file, 0, MAGIC, VERSION, 0, end, *head, *where)
        file[_HEADER.size : _HEADER.size + len(contract)] = contract
        records = [*map(_tensor_record, self.tensors), *map(_op_record, self.ops)]
        for blob, place in zip(self.blobs, places, strict=True):
            records.append(_BLOB.pack(blob.type, blob.stored.size, place))
            content = blob.stored.tobytes()
            file[place : place + len(content)] = content
        joined = b"".join(records)
        file[records_at : records_at + len(joined)] = joined
        struct.pack_into("<I", file, 12, zlib.crc32(file))
        return bytes(file)


def make_blob(values: npt.ArrayLike, type: BlobType) -> Blob:
    """Weights of any shape as ``type``; to bf16 they are rounded to nearest, ties to even."""
    if type is not BlobType.BF16:
        return Blob(type=type, stored=np.array(values, _STORED[type]).reshape(-1))
    bits = np.array(values, np.float32).reshape(-1).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)
    return Blob(type=type, stored=(rounded >> 16).astype(_STORED[type]))


def read_plan(file: bytes) -> Plan:
    """Read what ``Plan.to_bytes`` wrote; anything else is ``ArtifactError``."""
    if len(file) < _HEADER.size or file[:8] != MAGIC:
        _refuse("it does not begin like one")
    _, version, crc, size, precision, *numbers = _HEADER.unpack_from(file)
    height, width, tensors, ops, blobs, contract_at, contract_size, records_at, _ = numbers
    if version != VERSION:
        _refuse(f"it is of version {version}, this is for version {VERSION}")
    if size != len(file) or crc != zlib.crc32(file[16:], zlib.crc32(file[:12] + bytes(4))):
        _refuse("it is cut short or was altered")
    records = tensors * _TENSOR.size + ops * _OP.size + blobs * _BLOB.size
    if max(contract_at + contract_size, records_at + records) > size:
        _refuse("its parts reach past its end")
    if tensors > MAX_TENSORS or ops > MAX_OPS or blobs > MAX_BLOBS:
        _refuse("it has too many parts")
    ops_at = records_at + tensors * _TENSOR.size
    blobs_at = ops_at + ops * _OP.size
    try:
        plan = Plan(
            precision=PRECISIONS[precision],
            height=height,
            width=width,
            contract=file[contract_at : contract_at + contract_size].decode(),
            tensors=[
                _read_tensor(*record)
                for record in _TENSOR.iter_unpack(memoryview(file)[records_at:ops_at])
            ],
            ops=[_read_op(record) for record in _OP.iter_unpack(memoryview(file)[ops_at:blobs_at])],
            blobs=[
                _read_blob(file, *_BLOB.unpack_from(file, blobs_at + index * _BLOB.size))
                for index in range(blobs)
            ],
        )
    except (IndexError, ValueError) as error:
        _refuse(str(error))
    check(plan)
    return plan


def check(plan: Plan) -> None:
    """Raise ``ArtifactError`` for sides, sizes and indices that no plan can have."""
    for side in (plan.height, plan.width):
        if not 0 < side <= MAX_SIDE or side % 32:
            _refuse(f"a side of its image is {side}")
    for index, tensor in enumerate(plan.tensors):
        if not 0 < tensor.channels <= MAX_CHANNELS or tensor.halo > MAX_HALO:
            _refuse(f"tensor {index} has {tensor.channels} channels, a halo of {tensor.halo}")
        if not (math.isfinite(tensor.scale) and tensor.scale > 0):
            _refuse(f"tensor {index} has the scale {tensor.scale}")
    written: set[int] = set()
    for index, op in enumerate(plan.ops):
        if not {tensor for tensor in op.inputs if tensor != NONE} <= written:
            _refuse(f"operation {index} reads what was not written before")
        outputs = {tensor for tensor in op.outputs if tensor != NONE}
        if not outputs <= set(range(len(plan.tensors))) - written:
            _refuse(f"operation {index} writes what is no new tensor")
        if not all(NONE <= blob < len(plan.blobs) for blob in op.blobs):
            _refuse(f"operation {index} has weights that are not there")
        written |= outputs
    if [index for index, op in enumerate(plan.ops) if op.kind in TAILS] != [len(plan.ops) - 1]:
        _refuse("its last operation, and no other, must be a tail")


def _refuse(reason: str) -> NoReturn:
    raise ArtifactError(f"this is no .scx file that can be run: {reason}")


def _side(image: int, down: int) -> int:
    return 1 if down == WHOLE else image >> down


def _padded(values: Sequence[Any], count: int, filler: Any) -> tuple[Any, ...]:
    if len(values) > count:
        raise ValueError(f"an operation has at most {count} of these: {values}")
    return (*values, *[filler] * (count - len(values)))


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _place(blobs: Sequence[Blob], end: int) -> tuple[list[int], int]:
    """Where each blob begins, and where the last one ends."""
    places = []
    for blob in blobs:
        places.append(_aligned(end))
        end = places[-1] + blob.stored.nbytes
    return places, end


def _tensor_record(tensor: Tensor) -> bytes:
    sides = tensor.down_h, tensor.down_w, tensor.halo
    return _TENSOR.pack(tensor.type, *sides, tensor.channels, tensor.scale, int(tensor.nonnegative))


def _read_tensor(
    type: int, down_h: int, down_w: int, halo: int, channels: int, scale: float, flags: int
) -> Tensor:
    return Tensor(
        type=TensorType(type),
        channels=channels,
        down_h=down_h,
        down_w=down_w,
        halo=halo,
        scale=scale,
        nonnegative=bool(flags & 1),
    )


def _op_record(op: Op) -> bytes:
    words = op.kind, op.act, op.stride, op.dilation, op.pool, op.gather, op.mode, 0
    return _OP.pack(*words, *op.inputs, *op.outputs, *op.blobs, *op.values, 0, 0)


def _read_op(record: tuple[Any, ...]) -> Op:
    kind, act, stride, dilation, pool, gather, mode, _ = record[:8]
    at = 8
    parts = []
    for count in (INPUTS, OUTPUTS, BLOBS, VALUES):
        parts.append(record[at : at + count])
        at += count
    inputs, outputs, blobs, values = parts
    return Op(
        kind=Kind(kind),
        inputs=inputs,
        outputs=outputs,
        blobs=blobs,
        values=values,
        act=Act(act),
        stride=stride,
        dilation=dilation,
        pool=bool(pool),
        gather=Gather(gather),
        mode=mode,
    )


def _read_blob(file: bytes, type: int, count: int, offset: int) -> Blob:
    stored = _STORED[BlobType(type)]
    if offset % _ALIGNMENT or offset + count * stored.itemsize > len(file):
        raise ValueError("weights lie outside of it")
    return Blob(type=BlobType(type), stored=np.frombuffer(file, stored, count, offset))
