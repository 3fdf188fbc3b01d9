"""The peak of this process's resident set over what its imports already held."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


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
