"""Does the acceptance still hold while the server runs?"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from scunext_edge.deploy import acceptance
from scunext_edge.deploy.accepted import Refusal, find_accepted
from scunext_edge.errors import ScunextEdgeError

log = logging.getLogger(__name__)
_LOOK_S = 1.0


class Watch:
    """``problem`` says why nothing may be segmented; null: all is as it was accepted."""

    def __init__(self, state: Path, *, served: tuple[str, str]) -> None:
        self._state, self._served = state, served  # the bundle's id, and the form of it
        self.problem: str | None = None

    def check(self) -> str | None:
        """Look at every file now; takes a second where a bundle is large."""
        try:
            found = find_accepted(self._state)
        except ScunextEdgeError as error:
            return str(error)
        except OSError as error:
            return f"what was accepted cannot be read: {error.strerror or type(error).__name__}"
        if isinstance(found, Refusal):
            return found.reason
        accepted = found.bundle.id, found.rung.name
        if accepted != self._served:
            return f"{' '.join(accepted)} was accepted meanwhile: start the server again"
        return None

    async def run(self, *, recheck_s: float) -> None:
        """Every file now and then; the acceptance record whenever it changes."""
        loop = asyncio.get_running_loop()
        last, seen = loop.time(), self._stamp()
        while True:
            await asyncio.sleep(_LOOK_S)
            stamp = self._stamp()
            if stamp == seen and loop.time() - last < recheck_s:
                continue
            seen = stamp
            problem = await asyncio.to_thread(self._checked)
            last = loop.time()
            if problem != self.problem:
                log.warning("acceptance: %s", problem or "holds again")
            self.problem = problem

    def _checked(self) -> str | None:
        """Whatever fails, nothing is served on trust, and the watch goes on."""
        try:
            return self.check()
        except Exception as error:
            return f"the acceptance cannot be checked: {type(error).__name__}"

    def _stamp(self) -> tuple[int, ...] | None:
        with contextlib.suppress(OSError):
            found = (self._state / acceptance.RECORD).stat()
            return found.st_mtime_ns, found.st_size, found.st_ino
        return None
