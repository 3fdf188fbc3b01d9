"""A request's body, within bounds of size, time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

from starlette.requests import Request

from scunext_edge.serve.problems import Gone, Problem

_TYPES = ("application/dicom", "application/octet-stream")


class Budget:
    """Bytes that all bodies may hold together: many slow clients cost no more than few."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    @contextlib.contextmanager
    def lease(self) -> Iterator[Lease]:
        """Given back when the block ends."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self.held -= lease.held


class Lease:
    """One request's part."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self.held = budget, 0

    def add(self, count: int) -> None:
        """Hold this much more, or a ``Problem``."""
        if self._budget.held + count > self._budget.most:
            raise Problem(
                "busy",
                "the pictures that are being sent fill the memory that is set aside for them",
                "send it again a little later",
                {"Retry-After": "1"},
            )
        self._budget.held += count
        self.held += count


def check_type(request: Request) -> None:
    """A picture goes in as it is: not in a form, not as text."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not given or given.startswith("image/") or given in _TYPES:
        return
    raise Problem(
        "wrong-type",
        "the body is to be the picture itself",
        f"send its bytes as image/..., {' or '.join(_TYPES)}",
    )


async def read_body(request: Request, lease: Lease, *, limit: int, timeout_s: float) -> bytes:
    """All of it; a ``Problem`` where it is too large, if announced before it is read, or late."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    parts, size, until = [], 0, time.monotonic() + timeout_s
    while True:
        try:
            message = await asyncio.wait_for(request.receive(), max(0.0, until - time.monotonic()))
        except asyncio.TimeoutError:
            raise Problem(
                "too-slow", f"the picture did not arrive within {timeout_s:g} s", "send it again"
            ) from None
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        lease.add(len(part))
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large(limit: int) -> Problem:
    return Problem(
        "too-many-bytes",
        f"the picture has more than {limit:,} bytes",
        "make it smaller, or crop it around the lesion",
    )
