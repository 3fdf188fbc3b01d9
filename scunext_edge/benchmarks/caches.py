"""Caches that are emptied before a value: the processor's, and the system's cache of files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from scunext_edge.benchmarks.passport import last_level_cache

PageCache = Literal["dropped", "partly dropped", "warm", "unknown"]

_ASSUMED = 64 << 20  # of a last-level cache that the system does not tell
_TIMES = 2  # a cache that replaces at random still keeps a part of what was read once


class Evictor:
    """Fills the processor's caches with a buffer of its own when it is called."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.size_bytes = _TIMES * (last_level_cache(root) or _ASSUMED)
        self._buffer = np.ones(self.size_bytes // 8, np.int64)

    def __call__(self) -> None:
        """Read and write every line of the buffer, on the core that this process runs on."""
        np.add(self._buffer, 1, out=self._buffer)


def drop_files(paths: Iterable[Path]) -> PageCache:
    """Ask the system to forget the content of files; what came of it.

    Best effort, without root: pages that another process has mapped stay. Three pages of each
    file are looked for afterwards, with a read that may not wait for the disk.
    """
    if not hasattr(os, "posix_fadvise"):
        return "warm"
    found = [held for path in paths for held in _dropped(path)]
    known = [held for held in found if held is not None]
    if not known:
        return "unknown"
    if not any(known):
        return "dropped"
    return "warm" if all(known) else "partly dropped"


def _dropped(path: Path) -> list[bool | None]:
    """Whether each of three pages is still held after the file was to be forgotten."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return [None]
    try:
        os.fsync(handle)  # a page that is not on the disk yet cannot be forgotten
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        size = os.fstat(handle).st_size
        return [_is_held(handle, at) for at in (0, size // 2, size - 1)] if size else []
    except OSError:
        return [None]
    finally:
        os.close(handle)


def _is_held(handle: int, at: int) -> bool | None:
    try:
        os.preadv(handle, [bytearray(1)], at, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except (OSError, AttributeError):  # a file system or a system without such reads
        return None
    return True
