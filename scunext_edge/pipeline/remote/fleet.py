"""Many devices at a time, each for itself: what one of them does costs the others nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

from scunext_edge.errors import ScunextEdgeError
from scunext_edge.pipeline.remote.hosts import Host
from scunext_edge.pipeline.remote.ssh import Interrupted

T = TypeVar("T")
Work = Callable[[Host], T]


def on_all(
    hosts: tuple[Host, ...],
    work: Work[T],
    *,
    jobs: int,
    stop: Event,
    machines: Mapping[Host, str] | None = None,
) -> dict[Host, T | ScunextEdgeError]:
    """Do ``work`` for every host, ``jobs`` at a time; its error stands where its answer would.

    Hosts with the same entry in ``machines`` are one machine: they take turns. Ctrl-C sets
    ``stop``, waits until each has tidied up, and is raised then.
    """
    turns = {machine: Lock() for machine in (machines or {}).values()}

    def safely(host: Host) -> T | ScunextEdgeError:
        lock = turns[machines[host]] if machines else Lock()
        with lock:
            if stop.is_set():
                raise Interrupted
            try:
                return work(host)
            except ScunextEdgeError as error:
                return error

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        waiting = {host: pool.submit(safely, host) for host in hosts}
        try:
            return {host: future.result() for host, future in waiting.items()}
        except KeyboardInterrupt:
            stop.set()
            raise
