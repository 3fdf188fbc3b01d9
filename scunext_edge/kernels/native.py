"""libscunext from Python: the one place that knows ctypes, and who owns which memory."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Sequence
from ctypes import (
    POINTER,
    byref,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_uint32,
    c_uint64,
    c_void_p,
)
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import scunext_edge.kernels as package
from scunext_edge.errors import BackendMissing, BackendUnavailable
from scunext_edge.kernels.plan import PRECISIONS, Precision

Output = Literal["logits", "score"]
Arithmetic = Literal["f32", "int8"]

_FILES = ("libscunext.so", "libscunext.dylib", "scunext.dll")
_OUTPUTS: dict[Output, tuple[int, type[np.generic]]] = {
    "logits": (0, np.float32),
    "score": (1, np.uint8),
}
_ARITHMETICS: tuple[Arithmetic, ...] = ("f32", "int8")
_DEFAULT_SPIN_US = -1


class ScxError(RuntimeError):
    """What libscunext itself has to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What an opened model is and needs."""

    height: int
    width: int
    precision: Precision  # of the weights
    threads: int
    isa: str
    arena_bytes: int  # all memory that a run touches
    file_bytes: int
    contract: str  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One step of a plan."""

    name: str
    macs: int  # of one image
    time_ns: int  # in the last image; 0 unless opened with ``profile``


def find_library() -> Path:
    """The library that was installed with this package; ``BackendMissing`` where there is none."""
    for folder in map(Path, package.__path__):
        for name in _FILES:
            if (folder / name).is_file():
                return folder / name
    raise BackendMissing(
        "the native engine is not built: this installation has no libscunext",
        hint="install a wheel of scunext-edge for this platform; or install CMake and a C++17 "
        "compiler, then: pip install --force-reinstall --no-deps --no-binary :all: scunext-edge",
    )


def version(library: Path | None = None) -> str:
    """The version of libscunext."""
    return _text(_load(library or find_library()).scx_version())


def instruction_sets(library: Path | None = None) -> tuple[str, ...]:
    """What ``isa`` may be here, the best first."""
    return tuple(_text(_load(library or find_library()).scx_isas()).split())


def peak(what: Arithmetic, *, isa: str | None = None, library: Path | None = None) -> float:
    """Multiply-accumulates per second of one core, measured now, within a tenth of a second."""
    loaded, rate = _load(library or find_library()), c_double()
    name = isa.encode() if isa else None
    if loaded.scx_peak(name, _ARITHMETICS.index(what), byref(rate)):
        raise ScxError(_text(loaded.scx_last_error()))
    return rate.value


def open_model(
    file: Path | bytes,
    *,
    threads: int = 1,
    isa: str | None = None,
    size: tuple[int, int] | None = None,
    spin_us: int | None = None,
    profile: int = 0,
    library: Path | None = None,
) -> Model:
    """Open an ``.scx`` file, or its bytes, for one size of images, (height, width).

    ``isa`` forces an instruction set; None is the best one. ``spin_us`` is how long an idle
    thread waits before it sleeps. ``profile`` 1 keeps the times of operations; 2 keeps every
    tensor too, for ``write_tensor``, ``run_operation`` and ``read_tensor``. A file that cannot be
    run, or an option that makes no sense, is ``ScxError``.
    """
    loaded = _load(library or find_library())
    height, width = size or (0, 0)
    options = _Options(
        bytes=ctypes.sizeof(_Options),
        threads=threads,
        isa=isa.encode() if isa else None,
        height=height,
        width=width,
        spin_us=_DEFAULT_SPIN_US if spin_us is None else spin_us,
        profile=profile,
    )
    if isinstance(file, bytes):
        handle = loaded.scx_open_memory(file, len(file), byref(options))
    else:
        handle = loaded.scx_open_file(os.fsencode(file), byref(options))
    if not handle:
        raise ScxError(_text(loaded.scx_last_error()))
    return Model(loaded, handle)


class Model:
    """An opened model; made by :func:`open_model`. Calls on one model wait for each other.

    It closes itself with its last reference.
    """

    def __init__(self, library: ctypes.CDLL, handle: int) -> None:
        self._library = library
        self._handle = handle
        self._finalizer = weakref.finalize(self, library.scx_close, handle)
        self.description = _describe(library, handle)

    def close(self) -> None:
        """Give the memory back; the model cannot be used any more."""
        self._finalizer()

    def run(self, images: npt.NDArray[np.uint8], output: Output = "score") -> npt.NDArray[Any]:
        """float32 logits or uint8 score, [N, 1, H, W], of uint8 images [N, H, W, 3]."""
        handle = self._open()
        sides = self.description.height, self.description.width
        if images.dtype != np.uint8 or images.shape[1:] != (*sides, 3) or not len(images):
            raise ValueError(
                f"expected uint8 images of shape (N, {sides[0]}, {sides[1]}, 3), "
                f"got {images.dtype} of shape {images.shape}"
            )
        pixels = np.ascontiguousarray(images)
        what, dtype = _OUTPUTS[output]
        result = np.empty((len(images), 1, *sides), dtype)
        self._check(
            self._library.scx_run(handle, _address(pixels), len(pixels), what, _address(result))
        )
        return result

    def operations(self) -> list[Operation]:
        """The plan's steps in the order in which they run."""
        handle, library = self._open(), self._library
        return [
            Operation(
                name=_text(library.scx_op_name(handle, index)),
                macs=library.scx_op_macs(handle, index),
                time_ns=library.scx_op_time(handle, index),
            )
            for index in range(_fill_description(library, handle).operations)
        ]

    def write_tensor(self, index: int, stored: npt.NDArray[Any]) -> None:
        """Place stored numbers, [H, W, C]; for models opened with ``profile=2``."""
        values = np.ascontiguousarray(stored, np.float32)
        handle = self._tensor(index, values.size)
        self._check(self._library.scx_tensor_write(handle, index, _floats(values)))

    def read_tensor(self, index: int, shape: Sequence[int]) -> npt.NDArray[np.float32]:
        """Stored numbers as float32, [H, W, C]; for models opened with ``profile=2``."""
        values = np.empty(shape, np.float32)
        handle = self._tensor(index, values.size)
        self._check(self._library.scx_tensor_read(handle, index, _floats(values)))
        return values

    def run_operation(
        self, index: int, image: npt.NDArray[np.uint8] | None = None, output: Output = "logits"
    ) -> npt.NDArray[Any]:
        """One step alone; what it returns, [H, W], has a meaning for tails only."""
        handle = self._open()
        sides = self.description.height, self.description.width
        pixels = np.zeros((*sides, 3), np.uint8) if image is None else np.ascontiguousarray(image)
        if pixels.dtype != np.uint8 or pixels.shape != (*sides, 3):
            raise ValueError(f"expected a uint8 image of shape {(*sides, 3)}")
        what, dtype = _OUTPUTS[output]
        result = np.zeros(sides, dtype)
        self._check(
            self._library.scx_op_run(handle, index, _address(pixels), what, _address(result))
        )
        return result

    def _open(self) -> int:
        if not self._finalizer.alive:
            raise ValueError("the model is closed")
        return self._handle

    def _tensor(self, index: int, size: int) -> int:
        handle = self._open()
        count = self._library.scx_tensor_count(handle, index)
        if size != count:
            raise ValueError(f"tensor {index} holds {count} numbers, not {size}")
        return handle

    def _check(self, status: int) -> None:
        if status:
            raise ScxError(_text(self._library.scx_last_error()))


class _Options(ctypes.Structure):
    _fields_ = (
        ("bytes", c_uint32),
        ("threads", c_int32),
        ("isa", c_char_p),
        ("height", c_int32),
        ("width", c_int32),
        ("spin_us", c_int32),
        ("parallel", c_void_p),
        ("user", c_void_p),
        ("profile", c_int32),
    )


class _Description(ctypes.Structure):
    _fields_ = (
        ("bytes", c_uint32),
        ("height", c_int32),
        ("width", c_int32),
        ("precision", c_int32),
        ("threads", c_int32),
        ("isa", c_char_p),
        ("arena_bytes", c_uint64),
        ("file_bytes", c_uint64),
        ("operations", c_int32),
        ("contract", c_void_p),  # not terminated
        ("contract_bytes", c_uint32),
    )


# What each function returns and takes; include/scunext.h.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "scx_version": (c_char_p, []),
    "scx_isas": (c_char_p, []),
    "scx_last_error": (c_char_p, []),
    "scx_open_file": (c_void_p, [c_char_p, POINTER(_Options)]),
    "scx_open_memory": (c_void_p, [c_char_p, ctypes.c_size_t, POINTER(_Options)]),
    "scx_describe": (None, [c_void_p, POINTER(_Description)]),
    "scx_run": (ctypes.c_int, [c_void_p, c_void_p, c_int32, ctypes.c_int, c_void_p]),
    "scx_close": (None, [c_void_p]),
    "scx_op_name": (c_char_p, [c_void_p, c_int32]),
    "scx_op_macs": (c_uint64, [c_void_p, c_int32]),
    "scx_op_time": (c_uint64, [c_void_p, c_int32]),
    "scx_peak": (ctypes.c_int, [c_char_p, ctypes.c_int, POINTER(c_double)]),
    "scx_tensor_count": (c_int64, [c_void_p, c_int32]),
    "scx_tensor_write": (ctypes.c_int, [c_void_p, c_int32, POINTER(c_float)]),
    "scx_tensor_read": (ctypes.c_int, [c_void_p, c_int32, POINTER(c_float)]),
    "scx_op_run": (ctypes.c_int, [c_void_p, c_int32, c_void_p, ctypes.c_int, c_void_p]),
}


@cache
def _load(path: Path) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise BackendUnavailable(
            f"{path} does not load: {error}", hint="build it again for this machine"
        ) from error
    return library


def _fill_description(library: ctypes.CDLL, handle: int) -> Any:
    description = _Description(bytes=ctypes.sizeof(_Description))
    library.scx_describe(handle, byref(description))
    return description


def _describe(library: ctypes.CDLL, handle: int) -> Description:
    it = _fill_description(library, handle)
    contract = ctypes.string_at(it.contract, it.contract_bytes) if it.contract_bytes else b""
    return Description(
        height=it.height,
        width=it.width,
        precision=PRECISIONS[it.precision],
        threads=it.threads,
        isa=_text(it.isa),
        arena_bytes=it.arena_bytes,
        file_bytes=it.file_bytes,
        contract=contract.decode(errors="replace"),
    )


def _text(answer: bytes | None) -> str:
    return (answer or b"").decode(errors="replace")


def _address(array: npt.NDArray[Any]) -> c_void_p:
    return c_void_p(array.ctypes.data)


def _floats(array: npt.NDArray[np.float32]) -> Any:
    return array.ctypes.data_as(POINTER(c_float))
