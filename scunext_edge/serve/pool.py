"""Workers, their replacement, and the queue before them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from scunext_edge.serve import frames
from scunext_edge.serve.frames import Frame
from scunext_edge.serve.problems import Gone, Problem

log = logging.getLogger(__name__)
_STARTING = "the workers are starting"
_START_S = 120.0  # for a worker to be ready
_PAUSES_S = (0.0, 0.5, 2.0, 10.0, 30.0)  # before a replacement, by failures in a row
_CLOSE_S = 2.0  # for a worker that has nothing to do
_TRIES = 2


class Lost(Exception):
    """A worker ended before it answered."""


class Worker:
    """One child and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.versions: dict[str, Any] = {}

    async def hear(self) -> Frame:
        """The next thing it says."""
        assert self._process.stdout is not None
        try:
            return await frames.receive(self._process.stdout)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
            raise Lost from error

    async def ask(self, frame: Frame) -> Frame:
        """Its answer."""
        assert self._process.stdin is not None
        try:
            await frames.send(self._process.stdin, frame)
        except (ConnectionError, RuntimeError) as error:
            raise Lost from error
        return await self.hear()

    @property
    def alive(self) -> bool:
        """Whether it has not ended, even where nobody was told yet."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    async def ended(self) -> int:
        """Its exit code, when there is one."""
        return await self._process.wait()

    def kill(self) -> None:
        """At once, pipes included.

        An answer that nobody reads would keep its pipe open, and ``ended`` waits for that.
        """
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.transport.abort()
        # asyncio has no public way to close what a child writes to.
        transport = getattr(self._process, "_transport", None)
        outbox = transport and transport.get_pipe_transport(1)
        if outbox is not None:
            outbox.close()

    def dismiss(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()


class Pool:
    """``size`` workers, and at most ``queue`` pictures that wait for one."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: int,
        queue: int,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self._command, self._env = command, {**os.environ, **(env or {})}
        self._size, self._queue, self._timeout_s = size, queue, timeout_s
        self._on_loss = on_loss
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = False
        self.problem: str | None = _STARTING  # why no worker is there; null: one is
        self.refusal: str | None = None  # why there will be none, unless something changes
        self.versions: dict[str, Any] = {}

    @property
    def ready(self) -> bool:
        """Whether any worker is there, busy or not."""
        return bool(self._all)

    @property
    def counts(self) -> dict[str, int]:
        """For metrics."""
        return {"ready": len(self._all), "idle": len(self._idle), "waiting": len(self._waiting)}

    def start(self) -> None:
        """Returns before they are ready."""
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._size)]

    async def close(self) -> None:
        """End all; what they were doing is lost, so wait for it before."""
        self._closing = True
        workers = list(self._all)
        ending = [asyncio.create_task(worker.ended()) for worker in workers]
        for worker in workers:
            worker.dismiss()
        if ending:
            await asyncio.wait(ending, timeout=_CLOSE_S)
        for worker in workers:
            worker.kill()
        if ending:
            await asyncio.wait(ending, timeout=_CLOSE_S)
        for task in (*ending, *self._keepers):
            task.cancel()
        await asyncio.gather(*ending, *self._keepers, return_exceptions=True)

    async def run(
        self, header: Mapping[str, Any], blob: bytes, *, gone: Callable[[], Awaitable[bool]]
    ) -> Frame:
        """A worker's answer. A worker that is lost meanwhile is another one's work, once."""
        frame = Frame(header={**header, "timeout_s": self._timeout_s}, blobs=[blob])
        for attempt in range(_TRIES):
            worker = await self._take(again=attempt > 0)
            try:
                if await gone():
                    raise Gone
                return await asyncio.wait_for(worker.ask(frame), self._timeout_s)
            except Lost:
                self._drop(worker)
            except asyncio.TimeoutError:
                self._drop(worker)
                raise Problem(
                    "worker-late",
                    f"the picture was not done within {self._timeout_s:g} s, and was given up",
                    "make it smaller, or raise --work-timeout",
                ) from None
            except asyncio.CancelledError:
                self._drop(worker)  # it would answer somebody else
                raise
            finally:
                self._offer(worker)
        raise Problem(
            "worker-lost",
            f"the process that worked on this picture ended, {_TRIES} times",
            "if other pictures work, something is wrong with this one",
            {"Retry-After": "5"},
        )

    async def _take(self, *, again: bool) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
        if not again and len(self._waiting) >= self._queue:
            raise Problem(
                "busy",
                f"{len(self._waiting)} pictures are waiting already",
                "send it again a little later",
                {"Retry-After": "1"},
            )
        mine: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.appendleft(mine) if again else self._waiting.append(mine)
        try:
            await asyncio.wait({mine}, timeout=self._timeout_s)
        except asyncio.CancelledError:
            if mine.done():
                self._offer(mine.result())
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(mine)
        if not mine.done():
            raise Problem(
                "not-ready",
                f"no worker was free within {self._timeout_s:g} s",
                "send it again later",
                {"Retry-After": "5"},
            )
        return mine.result()

    def _drop(self, worker: Worker) -> None:
        worker.kill()
        self._forget(worker)

    def _offer(self, worker: Worker) -> None:
        if worker not in self._all:
            return
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(worker)
                return
        self._idle.append(worker)

    async def _keep(self) -> None:
        """Hold one place filled for as long as the server runs."""
        failures = 0
        while not self._closing:
            await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
            worker = await self._spawn()
            if worker is None:
                failures += 1
                continue
            failures = 0
            self._all.add(worker)
            self.problem, self.refusal, self.versions = None, None, worker.versions
            self._offer(worker)
            code = await worker.ended()
            self._forget(worker)
            if not self._closing:
                self._on_loss()
                log.warning("worker %d ended (%s) and is replaced", worker.pid, _ending(code))

    def _forget(self, worker: Worker) -> None:
        self._all.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if not self._all:
            self.problem = "all workers have ended and are being replaced"

    async def _spawn(self) -> Worker | None:
        """A worker that is ready; None, and ``problem`` says why, where it is not."""
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, env=self._env, start_new_session=True
            )
        except OSError as error:  # of memory, processes or files there are too few
            self._failed(f"a worker cannot be started: {error.strerror or error}")
            return None
        worker = Worker(process)
        try:
            said = (await asyncio.wait_for(worker.hear(), _START_S)).header
        except (Lost, asyncio.TimeoutError):
            said = {"refused": "a worker ended, or was too slow, before it was ready"}
        except asyncio.CancelledError:
            worker.kill()
            await worker.ended()
            raise
        if "ready" in said:
            worker.versions = said["ready"]
            return worker
        worker.kill()
        await worker.ended()
        self._failed(said["refused"])
        return None

    def _failed(self, reason: str) -> None:
        if not self._all:
            self.problem = self.refusal = reason
        log.error("no worker: %s", reason)


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
