"""Connections that cost nothing when they are slow: uvicorn's, with limits of time and number."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def limited(*, most: int, timeout_s: float) -> type[H11Protocol]:
    """A protocol for ``uvicorn.Config(http=...)``."""
    return type("Limited", (_Limited,), {"most": most, "timeout_s": timeout_s})


class _Limited(H11Protocol):
    """A head of a request has to come, and an answer has to be taken, within ``timeout_s``.

    uvicorn waits for both without an end.
    """

    most: ClassVar[int]
    timeout_s: ClassVar[float]
    _head: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
            return
        self._head = self.loop.call_later(self.timeout_s, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._taking):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking = self.loop.call_later(self.timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()

    def _watch_head(self) -> None:
        """The clock runs while a head is begun, and stops once it is whole."""
        begun = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if begun and self._head is None:
            self._head = self.loop.call_later(self.timeout_s, self.transport.abort)
        elif self._head is not None and not begun and self.cycle is not None:
            self._head.cancel()
            self._head = None

    def send_400_response(self, msg: str) -> None:
        """In the one form of all problems."""
        from scunext_edge.serve.problems import MEDIA_TYPE, Problem

        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # within an answer there is no other one
            return
        body = Problem("bad-request", "this is no HTTP request that can be understood").body()
        head: list[tuple[str, Any]] = [
            ("content-type", MEDIA_TYPE),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=head, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
