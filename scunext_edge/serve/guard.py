"""What every request passes first and every answer last: origin, headers, log, no traceback."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scunext_edge.serve.metrics import Metrics
from scunext_edge.serve.problems import MEDIA_TYPE, Gone, Problem

log = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LINGER_S = 2.0  # for a client to see the answer to a request that it is still sending
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
GONE = 499  # as nginx logs it


class Guard:
    """ASGI around the application. ``hosts``: the names it answers to; none: any."""

    def __init__(self, app: App, metrics: Metrics, *, hosts: Sequence[str] | None) -> None:
        self._app, self._metrics, self._hosts = app, metrics, hosts
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        began = time.perf_counter()
        self.in_flight += 1
        try:
            await self._answer(exchange)
        finally:
            self.in_flight -= 1
            self._tell(exchange, time.perf_counter() - began)

    async def _answer(self, exchange: _Exchange) -> None:
        try:
            if self._hosts is not None:
                _check_origin(exchange.scope, self._hosts)
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except Problem as problem:
            await exchange.refuse(problem)
        except Gone:
            exchange.status = GONE
        except Exception as error:
            if exchange.gone:  # an answer that nobody takes any more
                exchange.status = GONE
                return
            where = traceback.extract_tb(error.__traceback__)[-1]
            log.error(
                "%s: %s in %s:%d",
                exchange.id,
                type(error).__name__,
                Path(where.filename).name,
                where.lineno,
            )
            await exchange.refuse(Problem("internal", "something is wrong in the server"))
        except asyncio.CancelledError:
            await exchange.refuse(Problem("not-ready", "the server is ending"))

    def _tell(self, exchange: _Exchange, seconds: float) -> None:
        """No query, no address, no path that a client made up: they may name somebody."""
        route = getattr(exchange.scope.get("route"), "path", "(unknown)")
        method, status = exchange.scope["method"], exchange.status
        self._metrics.answered(route, method, status, seconds)
        if status == GONE:
            self._metrics.gone.inc()
        if exchange.scope.get("problem"):
            self._metrics.refused.labels(exchange.scope["problem"]).inc()
        log.info(
            "%s %s %s %d %.0f ms, %d bytes in",
            exchange.id,
            method if len(method) <= 8 else "(unknown)",
            route,
            status,
            1e3 * seconds,
            exchange.received,
        )


class _Exchange:
    """One request and its answer, watched."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.id = uuid.uuid4().hex
        self.scope = scope
        scope.setdefault("state", {})["id"] = self.id
        self.status = 500
        self.started = self.gone = False
        self.received = 0
        self._receive, self._send = receive, send
        self._whole = False  # whether the request has been read to its end

    async def receive(self) -> Message:
        """The next part of the request."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.gone = True
        else:
            self.received += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """The next part of the answer."""
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            present = {name.lower() for name, _ in message["headers"]}
            extra = {**_HEADERS, "x-request-id": self.id}
            if self._unread:
                extra["connection"] = "close"
            message["headers"] = [
                *message["headers"],
                *((k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in present),
            ]
        elif self._unread and not message.get("more_body"):
            # A connection that is closed while its client sends is reset, and the answer with it.
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless an answer has begun."""
        self.scope["problem"] = problem.kind
        if self.started:
            return
        body = problem.body()
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": raw})
        body = b"" if self.scope["method"] == "HEAD" else body
        await self.send({"type": "http.response.body", "body": body})

    @property
    def _unread(self) -> bool:
        """Whether the client may still be sending."""
        if self._whole or self.gone:
            return False
        names = {name for name, _ in self.scope["headers"]}
        return b"content-length" in names or b"transfer-encoding" in names

    async def _linger(self) -> None:
        async def rest() -> None:
            while self._unread:
                await self.receive()

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(rest(), _LINGER_S)


def _check_origin(scope: Scope, hosts: Sequence[str]) -> None:
    """Without a token, no page of another site may use this server through somebody's browser."""
    headers = dict(scope["headers"])
    host = headers.get(b"host", b"").decode("latin-1")
    if host and _split(f"//{host}")[1] not in (None, *hosts):
        raise Problem("wrong-host", "this server is not called so", "use the address it printed")
    origin = headers.get(b"origin")
    if origin is not None and _split(origin.decode("latin-1"))[0] != host:
        raise Problem("wrong-origin", "pages of other sites may not use this server")


def _split(address: str) -> tuple[str | None, str | None]:
    """Host and port, and the host alone; of what is no address, what nothing is equal to."""
    try:
        parts = urlsplit(address)
        return parts.netloc, parts.hostname
    except ValueError:  # "[::1"
        return None, ""
