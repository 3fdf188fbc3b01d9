"""One picture through the server, and whether the server would take one."""

from __future__ import annotations

import asyncio
import base64
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scunext_edge.deploy.accepted import Found
from scunext_edge.errors import StorageError
from scunext_edge.isolate import thread_limits
from scunext_edge.serve import answers, keep
from scunext_edge.serve.frames import Frame
from scunext_edge.serve.metrics import Metrics
from scunext_edge.serve.pool import Pool
from scunext_edge.serve.problems import Problem
from scunext_edge.serve.segmentation import Asked
from scunext_edge.serve.settings import Settings
from scunext_edge.serve.watch import Watch

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An answer as JSON, and the mask as the PNG that is in it."""

    answer: dict[str, Any]
    mask: bytes


class Service:
    """The parts that live as long as the server; no HTTP in it."""

    def __init__(self, settings: Settings, metrics: Metrics, pool: Pool, watch: Watch) -> None:
        self.settings, self.metrics, self.pool, self.watch = settings, metrics, pool, watch
        for name in ("ready", "idle", "waiting"):
            words = f"Pictures {name} for a worker." if name == "waiting" else f"Workers {name}."
            metrics.gauge(f"scunext_{_noun(name)}_{name}", words, self._count(name))
        metrics.gauge("scunext_ready", "1: a picture would be segmented.", self._ready)

    @property
    def problem(self) -> str | None:
        """Why no picture would be segmented at this moment."""
        return self.watch.problem or self.pool.problem

    @property
    def refusal(self) -> str | None:
        """Why none would be a little later either; else pictures may wait."""
        return self.watch.problem or self.pool.refusal

    async def segment(
        self,
        body: bytes,
        asked: Asked,
        *,
        id: str,
        received_ms: float,
        gone: Callable[[], Awaitable[bool]],
    ) -> Result:
        """The whole answer, kept first where that was asked for. Else a ``Problem``."""
        began = time.perf_counter()
        frame = await self.pool.run({"asked": asdict(asked)}, body, gone=gone)
        spent = 1e3 * (time.perf_counter() - began)
        _raise(frame, id)
        blobs = dict(zip(frame.header["has"], frame.blobs, strict=True))
        fields = frame.header["answer"]
        stages = fields["time_ms"]
        fields["time_ms"] = {
            "receive": received_ms,
            "wait": max(0.0, spent - sum(stages.values())),
            **stages,
            "total": received_ms + spent,
        }
        self.metrics.stage_times(fields["time_ms"])
        texts = {name: base64.b64encode(it).decode() for name, it in blobs.items()}
        answer = answers.segmentation(fields, texts, id=id, versions=self.pool.versions)
        if self.settings.keep is not None:
            await self._keep(id, body, blobs["mask"], answer)
        return Result(answer=answer, mask=blobs["mask"])

    async def _keep(self, id: str, body: bytes, mask: bytes, answer: dict[str, Any]) -> None:
        assert self.settings.keep is not None
        stored = {name: it for name, it in answer.items() if name not in ("mask", "picture")}
        try:
            await asyncio.to_thread(keep.keep, self.settings.keep, id, body, mask, stored)
        except StorageError as error:
            log.error("%s was not kept: %s", id, error)
            raise Problem(
                "not-kept",
                "the picture was to be stored here, and could not be",
                "make room on the server's disk, and send it again",
            ) from error

    def _count(self, name: str) -> Callable[[], float]:
        return lambda: self.pool.counts[name]

    def _ready(self) -> float:
        return float(self.problem is None)


def worker_command(settings: Settings) -> Sequence[str]:
    """How a worker is started."""
    return sys.executable, "-m", "scunext_edge.serve.worker", str(settings.state)


def make_service(settings: Settings, found: Found, metrics: Metrics) -> Service:
    """For the form that was accepted."""
    pool = Pool(
        worker_command(settings),
        size=settings.workers,
        queue=settings.queue,
        timeout_s=settings.work_timeout_s,
        env=thread_limits(found.rung.threads),
        on_loss=metrics.losses.inc,
    )
    watch = Watch(settings.state, served=(found.bundle.id, found.rung.name))
    return Service(settings, metrics, pool, watch)


def _raise(frame: Frame, id: str) -> None:
    """A worker's refusal as ours."""
    header = frame.header
    if "problem" in header:
        raise Problem(header["problem"], header["detail"], header["hint"])
    if "bug" in header:
        log.error("%s: a worker met %s", id, header["bug"])
        raise Problem("internal", "something is wrong in the server", "tell who runs it the id")


def _noun(name: str) -> str:
    return "pictures" if name == "waiting" else "workers"
