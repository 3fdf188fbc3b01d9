"""What a container, or any control group, allows this process, and how often it was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from scunext_edge.benchmarks.passport.sources import number, text, whole

_GROUPS = Path("sys/fs/cgroup")


def identity(root: Path) -> dict[str, Any]:
    """Limits; "unlimited" where a group says so, null where none says anything."""
    return {"cpu_limit_cores": _cpu_limit(root), "memory_limit_bytes": _memory_limit(root)}


def state(root: Path) -> dict[str, Any]:
    """How often, and how long in all, the limit on CPU time stopped this group."""
    counts: dict[str, int] = {}
    for folder in (*_unified(root), *_classic(root, "cpu")):
        lines = (line.split() for line in (text(folder / "cpu.stat") or "").splitlines())
        pairs = {words[0]: whole(words[1]) for words in lines if len(words) == 2}
        throttled_us = pairs.get("throttled_usec")
        if (throttled_ns := pairs.get("throttled_time")) is not None:
            throttled_us = throttled_ns // 1000
        for name, value in (("periods", pairs.get("nr_throttled")), ("us", throttled_us)):
            if value is not None:
                counts[name] = counts.get(name, 0) + value
    return {
        "cpu_limit_throttles": counts.get("periods"),
        "cpu_limit_throttled_us": counts.get("us"),
    }


def _cpu_limit(root: Path) -> float | str | None:
    """Cores: the tightest limit from this process's own group upwards."""
    found: list[float | None] = []
    for folder in _unified(root):
        words = (text(folder / "cpu.max") or "").split()
        period = whole(words[1]) if len(words) == 2 else None
        if period:
            quota = whole(words[0])
            if quota is not None or words[0] == "max":
                found.append(None if quota is None else quota / period)
    for folder in _classic(root, "cpu"):
        quota = number(folder / "cpu.cfs_quota_us")
        period = number(folder / "cpu.cfs_period_us")
        if quota is not None and period:
            found.append(None if quota < 0 else quota / period)
    return _tightest(found)


def _memory_limit(root: Path) -> float | str | None:
    found: list[float | None] = []
    for folder in _unified(root):
        said = text(folder / "memory.max")
        limit = whole(said)
        if limit is not None or said == "max":
            found.append(limit)
    for folder in _classic(root, "memory"):
        limit = number(folder / "memory.limit_in_bytes")
        if limit is not None:
            # This interface writes "no limit" as the largest multiple of a page.
            found.append(None if limit > 1 << 60 else limit)
    return _tightest(found)


def _tightest(limits: list[float | None]) -> float | str | None:
    """``None`` among the limits says "unlimited"."""
    known = [limit for limit in limits if limit is not None]
    if known:
        return min(known)
    return "unlimited" if limits else None


def _unified(root: Path) -> list[Path]:
    """Folders of version 2 that govern this process."""
    path = dict(_own_groups(root)).get("", "/")
    return [*_upwards(root / _GROUPS, path), *_upwards(root / _GROUPS / "unified", path)]


def _classic(root: Path, controller: str) -> list[Path]:
    """Folders of version 1; the controllers of CPU time often lie in one folder."""
    path = dict(_own_groups(root)).get(controller, "/")
    return list(_upwards(root / _GROUPS / controller, path))


def _own_groups(root: Path) -> Iterator[tuple[str, str]]:
    """(controller, path); version 2 has the empty name."""
    for line in (text(root / "proc/self/cgroup") or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            yield from ((controller, parts[2]) for controller in parts[1].split(","))


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """In a container the path may be the host's: what does not exist below the mount is left."""
    inner = PurePosixPath("/" + path.lstrip("/"))
    if ".." in inner.parts:
        inner = PurePosixPath("/")
    for each in (inner, *inner.parents):
        folder = mount / each.relative_to("/")
        if folder.is_dir():
            yield folder
