"""What this process holds of the memory, and of a GPU's."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_STATM = Path("/proc/self/statm")


def peak_over_imports(load_and_run: Callable[[], T]) -> tuple[T, dict[str, Any]]:
    """Call ``load_and_run``; return its result, and the fields of ``records.Memory``.

    Imports may peak above what they keep, and the kernel's mark remembers that peak. Where it
    can be reset, it is; elsewhere both figures are peaks, and the difference is a lower bound.
    """
    if _reset_peak():
        baseline, read, method = _status_bytes("VmRSS"), _peak_since_reset, "VmHWM, reset"
    else:
        baseline, read, method = _peak_of_process(), _peak_of_process, "ru_maxrss, lower bound"
    result = load_and_run()
    return result, {"peak_bytes": read(), "baseline_bytes": baseline, "method": method}


def resident_bytes() -> int | None:
    """The resident set right now; null where the system does not tell (Linux does)."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class DeviceMemory:
    """What a GPU's allocator and its driver say; every figure is null for the CPU.

    Made before the model is opened, asked while the model is still open.
    """

    def __init__(self, device: str) -> None:
        self._is_gpu = device.startswith("cuda")
        self._used_before = _mebibytes("--query-gpu=memory.used") if self._is_gpu else None

    def read(self) -> dict[str, Any]:
        """The fields of ``records.Memory`` about the device."""
        driver, method = self._driver() if self._is_gpu else (None, None)
        return {
            "device_allocator_bytes": _allocator_peak() if self._is_gpu else None,
            "device_driver_bytes": driver,
            "device_method": method,
        }

    def _driver(self) -> tuple[int | None, str | None]:
        """What the driver holds for this process, context and kernels included.

        In a container it often knows no process by our number: then what its GPUs have used more
        since, which other processes may have moved.
        """
        asked = "--query-compute-apps=used_memory,pid"
        own = [row[0] for row in _rows(asked) if len(row) == 2 and row[1] == str(os.getpid())]
        if own and all(size.isdigit() for size in own):
            return sum(map(int, own)) << 20, "nvidia-smi, of this process"
        used = _mebibytes("--query-gpu=memory.used")
        if used is None or self._used_before is None:
            return None, None
        return (used - self._used_before) << 20, "nvidia-smi, difference of all that is used"


def _allocator_peak() -> int | None:
    """torch's peak, where torch is what runs: other engines tell none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated())


def _mebibytes(question: str) -> int | None:
    """The sum of a column over all GPUs; null if one does not tell (a Jetson's does not)."""
    rows = _rows(question)
    if not rows or not all(row[0].isdigit() for row in rows):
        return None
    return sum(int(row[0]) for row in rows)


def _rows(question: str) -> list[list[str]]:
    """The cells of an answer of the driver's own tool; nothing where there is no such tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        answer = subprocess.run(
            [tool, question, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.split(", ") for line in answer.stdout.splitlines() if line.strip()]


def _reset_peak() -> bool:
    """Whether the kernel took back its high-water mark (Linux: 5 into clear_refs)."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _peak_since_reset() -> int:
    return _status_bytes("VmHWM")


def _peak_of_process() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status_bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise OSError(f"{_STATUS} has no {name}")
    return int(found[1]) * 1024
