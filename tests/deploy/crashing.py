"""A selftest whose engine crashes in one form, as ``python -m crashing``."""

from __future__ import annotations

import os
import signal

from scunext_edge import isolate
from scunext_edge.deploy import selfcheck


def work(job):
    """The INT8 form takes its process down."""
    if job["rung"]["precision"] == "int8":
        os.kill(os.getpid(), signal.SIGSEGV)
    return selfcheck.work(job)


if __name__ == "__main__":
    isolate.serve(work)
