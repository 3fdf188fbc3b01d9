"""The benchmark's worker with a slowdown planted: after its work the runner spins for a while."""

from __future__ import annotations

import os
import time
from typing import Any

from scunext_edge import isolate
from scunext_edge.benchmarks import worker
from scunext_edge.runtime.runner import Runner

PLANTED_NS = "SCUNEXT_EDGE_PLANTED_NS"


class Slowed:
    """A runner whose every call takes ``extra_ns`` longer."""

    def __init__(self, runner: Runner, extra_ns: int) -> None:
        self._runner = runner
        self._extra_ns = extra_ns

    def execute(self) -> None:
        self._runner.execute()
        end = time.perf_counter_ns() + self._extra_ns
        while time.perf_counter_ns() < end:
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)


if __name__ == "__main__":
    opened, extra_ns = vars(worker)["open_runner"], int(os.environ[PLANTED_NS])
    vars(worker)["open_runner"] = lambda *args, **how: Slowed(opened(*args, **how), extra_ns)
    isolate.serve(worker.work)
    os._exit(0)
