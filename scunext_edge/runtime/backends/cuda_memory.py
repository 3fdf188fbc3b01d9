"""Memory and one stream of the first GPU, through NVIDIA's own bindings: no torch needed.

The methods are those of :class:`scunext_edge.runtime.gpu_memory.GpuMemory`.
"""

from __future__ import annotations

from typing import Any

from cuda.bindings import runtime as cudart

from scunext_edge.errors import EngineError
from scunext_edge.spec import Array


class Gpu:
    """The first GPU with a stream of its own. Copies return when they are done."""

    def __init__(self) -> None:
        (stream,) = _done(cudart.cudaStreamCreate())
        self.stream = int(stream)
        self._allocated: set[int] = set()

    def describe(self) -> dict[str, str]:
        """The GPU's name and compute capability, e.g. "8.7"."""
        (facts,) = _done(cudart.cudaGetDeviceProperties(0))
        name = facts.name.decode() if isinstance(facts.name, bytes) else str(facts.name)
        return {"gpu": name, "compute_capability": f"{facts.major}.{facts.minor}"}

    def driver(self) -> str:
        """The newest CUDA that the driver runs, e.g. "12.6"."""
        (version,) = _done(cudart.cudaDriverGetVersion())
        return f"{version // 1000}.{version % 1000 // 10}"

    def allocate(self, size_bytes: int) -> int:
        """The address of new device memory."""
        (address,) = _done(cudart.cudaMalloc(size_bytes))
        self._allocated.add(int(address))
        return int(address)

    def upload(self, array: Array, address: int) -> None:
        """Copy a contiguous array to the device."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(address, array.ctypes.data, array.nbytes, kind)

    def download(self, address: int, array: Array) -> None:
        """Fill a contiguous array from the device."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(array.ctypes.data, address, array.nbytes, kind)

    def synchronize(self) -> None:
        """Return when everything in the stream is done; errors of it surface here."""
        _done(cudart.cudaStreamSynchronize(self.stream))

    def free(self, address: int) -> None:
        """Give memory of :meth:`allocate` back."""
        self._allocated.remove(address)
        _done(cudart.cudaFree(address))

    def close(self) -> None:
        """Give everything back."""
        for address in tuple(self._allocated):
            self.free(address)
        _done(cudart.cudaStreamDestroy(self.stream))

    def _copy(self, target: int, source: int, size_bytes: int, kind: Any) -> None:
        _done(cudart.cudaMemcpyAsync(target, source, size_bytes, kind, self.stream))
        self.synchronize()


def count_gpus() -> int:
    """GPUs that the driver shows; none where there is no driver either."""
    error, count = cudart.cudaGetDeviceCount()
    return 0 if int(error) else int(count)


def _done(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a call returned beside its error code, which must be zero."""
    error, *values = answer
    if int(error):
        raise EngineError(f"cuda: {getattr(error, 'name', error)}")
    return tuple(values)
