"""NVIDIA's management library, opened for one look. The only file that knows ``pynvml``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


class Device:
    """One GPU. Every question answers null where driver or device does not know it."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle

    def ask(self, question: str, *arguments: Any) -> Any:
        """Call ``nvmlDeviceGet<question>``, by the first of its names that this library has."""
        function = getattr(self._library, f"nvmlDeviceGet{question}", None)
        return None if function is None else _quietly(function, self._handle, *arguments)


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    """The library; null where the package or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # ImportError, or what a half-installed driver raises: no GPU to speak of
        yield None
        return
    try:
        yield pynvml
    finally:
        _quietly(pynvml.nvmlShutdown)


def devices(library: Any) -> list[Device]:
    """All GPUs, in the order of the driver."""
    count = _quietly(library.nvmlDeviceGetCount) or 0
    handles = (_quietly(library.nvmlDeviceGetHandleByIndex, index) for index in range(count))
    return [Device(library, handle) for handle in handles if handle is not None]


def answer(library: Any, question: str) -> Any:
    """A question to the driver, not to a device; null where it does not know."""
    return _quietly(getattr(library, question))


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """An answer, or null: NVML refuses by exceptions what a device does not support."""
    try:
        value = function(*arguments)
    except Exception:
        return None
    return value.decode() if isinstance(value, bytes) else value
