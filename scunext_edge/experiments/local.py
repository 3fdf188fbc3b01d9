"""Trials on this machine: some at a time, each in a process of its own."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scunext_edge.errors import ScunextEdgeError, StorageError
from scunext_edge.experiments.launch import Child, Killed, begin, outcome

RETRIES = 3  # of a trial that was killed
_LOOK_S = 0.5

Job = Mapping[str, Any]
OnRecord = Callable[[dict[str, Any]], None]


def run_local(
    jobs: Sequence[tuple[Job, Path]],
    *,
    workers: int,
    on_record: OnRecord,
    on_look: Callable[[], None] = lambda: None,
) -> list[ScunextEdgeError]:
    """Make the trials; returns what went wrong with those that could not be made.

    A trial that was killed is started again and goes on at its last epoch. A disk that is full
    ends everything: the others would meet it too. ``on_look`` is called about twice a second.
    """
    waiting, running = deque(jobs), list[tuple[Job, Path, Child]]()
    killed: Counter[Path] = Counter()
    failed: list[ScunextEdgeError] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job, folder = waiting.popleft()
                running.append((job, folder, begin(job, folder)))
            time.sleep(_LOOK_S)
            on_look()
            for entry in [entry for entry in running if entry[2].ended()]:
                running.remove(entry)
                job, folder, child = entry
                try:
                    on_record(outcome(child))
                except Killed as error:
                    killed[folder] += 1
                    if killed[folder] > RETRIES:
                        failed.append(error)
                    else:
                        waiting.appendleft((job, folder))
                except StorageError:
                    raise
                except ScunextEdgeError as error:
                    failed.append(error)
    finally:
        for _, _, child in running:
            child.stop()
    return failed
