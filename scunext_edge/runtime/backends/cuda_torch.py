"""Memory and one stream of the first GPU, through torch.

The methods are those of :class:`scunext_edge.runtime.gpu_memory.GpuMemory`.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from scunext_edge.errors import EngineError
from scunext_edge.spec import Array

_PLACE = torch.device("cuda", 0)
_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


class Gpu:
    """The first GPU with a stream of its own, beside torch's."""

    def __init__(self) -> None:
        with _cuda_errors():
            self._stream = torch.cuda.Stream(_PLACE)  # type: ignore[no-untyped-call]
        self._blocks: dict[int, Tensor] = {}  # by address; torch frees what nobody holds

    @property
    def stream(self) -> int:
        return int(self._stream.cuda_stream)

    def describe(self) -> dict[str, str]:
        with _cuda_errors():
            facts = torch.cuda.get_device_properties(_PLACE)
        return {"gpu": facts.name, "compute_capability": f"{facts.major}.{facts.minor}"}

    def driver(self) -> str:
        """Of the driver itself: torch does not tell."""
        version = ctypes.c_int()
        try:
            error = ctypes.CDLL(_DRIVER).cuDriverGetVersion(ctypes.byref(version))
        except OSError as lacking:
            raise EngineError(f"cuda: {_DRIVER} does not load: {lacking}") from lacking
        if error:
            raise EngineError(f"cuda: the driver does not tell its version (error {error})")
        return f"{version.value // 1000}.{version.value % 1000 // 10}"

    def allocate(self, size_bytes: int) -> int:
        with _cuda_errors(), torch.cuda.stream(self._stream):
            block = torch.empty(size_bytes, dtype=torch.uint8, device=_PLACE)
        self._blocks[block.data_ptr()] = block
        return block.data_ptr()

    def upload(self, array: Array, address: int) -> None:
        # torch warns of memory that it must not write to, even where it only reads
        source = _bytes_of(array if array.flags.writeable else array.copy())
        self._copy(self._blocks[address][: source.numel()], source)

    def download(self, address: int, array: Array) -> None:
        target = _bytes_of(array)
        self._copy(target, self._blocks[address][: target.numel()])

    def synchronize(self) -> None:
        with _cuda_errors():
            self._stream.synchronize()

    def free(self, address: int) -> None:
        del self._blocks[address]

    def close(self) -> None:
        self._blocks.clear()
        with _cuda_errors():
            torch.cuda.empty_cache()

    def _copy(self, target: Tensor, source: Tensor) -> None:
        with _cuda_errors(), torch.cuda.stream(self._stream):
            target.copy_(source, non_blocking=True)
        self.synchronize()


def count_gpus() -> int:
    """GPUs that torch can use; none where it was built without CUDA."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _bytes_of(array: Array) -> Tensor:
    """The memory of a contiguous array itself, as uint8 [bytes]."""
    return torch.from_numpy(array.reshape(-1).view(np.uint8))


@contextlib.contextmanager
def _cuda_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # out of memory and all that CUDA says are kinds of it
        raise EngineError(f"cuda: {error}") from error
