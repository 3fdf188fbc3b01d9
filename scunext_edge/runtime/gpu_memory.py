"""Memory and one stream of the first GPU, by whichever package for it is installed."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from typing import Protocol

from scunext_edge.errors import BackendMissing
from scunext_edge.spec import Array


class GpuMemory(Protocol):
    """The first GPU with a stream of its own. Copies return when they are done.

    What CUDA refuses is an ``EngineError``.
    """

    @property
    def stream(self) -> int:
        """The stream's handle, for engines that queue work in it."""

    def describe(self) -> dict[str, str]:
        """The GPU's name and compute capability, as "gpu" and "compute_capability" ("8.7")."""

    def driver(self) -> str:
        """The newest CUDA that the driver runs, e.g. "12.6"."""

    def allocate(self, size_bytes: int) -> int:
        """The address of new device memory."""

    def upload(self, array: Array, address: int) -> None:
        """Copy a contiguous array to the device."""

    def download(self, address: int, array: Array) -> None:
        """Fill a contiguous array from the device."""

    def synchronize(self) -> None:
        """Return when everything in the stream is done; errors of it surface here."""

    def free(self, address: int) -> None:
        """Give memory of :meth:`allocate` back."""

    def close(self) -> None:
        """Give everything back."""


class GpuPackage(Protocol):
    """A module that implements it."""

    def count_gpus(self) -> int:
        """GPUs that the driver shows; none where there is no driver either."""

    def Gpu(self) -> GpuMemory:
        """Open the first one."""


def gpu_package() -> GpuPackage:
    """torch where it is installed and sees a GPU, else NVIDIA's own bindings.

    A process that has torch shares one CUDA context with it; one without is not made to import it.
    ``BackendMissing`` where there is neither.
    """
    if find_spec("torch") is not None:
        with contextlib.suppress(ImportError, OSError):  # OSError: libraries that do not load
            from scunext_edge.runtime.backends import cuda_torch

            if cuda_torch.count_gpus():
                return cuda_torch
    try:
        from scunext_edge.runtime.backends import cuda_memory
    except ModuleNotFoundError as error:
        if error.name not in {"cuda", "cuda.bindings"}:
            raise
        raise BackendMissing(
            "memory of a GPU needs torch with CUDA or the package 'cuda-bindings', and neither "
            "is installed",
            hint="pip install cuda-bindings, in the version of the CUDA that is installed, or a "
            "torch that is built for it",
        ) from error
    return cuda_memory
