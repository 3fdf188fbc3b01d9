"""From a bundle to a server that has ended well."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from scunext_edge import __version__
from scunext_edge.deploy.accepted import Found, Refusal, find_accepted
from scunext_edge.deploy.bundle import read
from scunext_edge.deploy.signing import public_key
from scunext_edge.deploy.start import Started, start
from scunext_edge.errors import ArtifactError, ConfigError, require
from scunext_edge.serve import keep
from scunext_edge.serve.settings import Settings, check

if TYPE_CHECKING:
    from uvicorn import Server

log = logging.getLogger(__name__)
_BACKLOG = 128


def accept(bundle: Path, key: Path, state: Path) -> Found | Started:
    """The form that this device has accepted of this bundle; without one, try the bundle first.

    ``Started`` is returned where nothing may be served.
    """
    trusted = public_key(key)
    found = _accepted(state)
    if found is not None and found.bundle.id == read(bundle).id:
        if found.acceptance.key_id == trusted.id:
            return found
        log.warning("what was accepted was signed with another key than %s", key)
    started = start(bundle, state, trusted, told=lambda it: log.info("%s: %s", it.name, it.outcome))
    if started.exit_code != 0:
        return started
    found = _accepted(state)
    if found is None:
        raise ConfigError(f"{state} does not hold what was accepted a moment ago")
    return found


def serve(
    settings: Settings, found: Found, *, told: Callable[[Settings], None] = lambda settings: None
) -> None:
    """Answer until SIGTERM or Ctrl-C, then finish what is in flight, within the grace time.

    ``told`` hears of the address once pictures may be sent there, port included.
    """
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        require(package, "serve", needed_for="the server")
    check(settings)
    import uvicorn

    from scunext_edge.serve.app import guarded, make_app
    from scunext_edge.serve.connections import limited
    from scunext_edge.serve.metrics import Metrics
    from scunext_edge.serve.service import make_service

    if settings.keep is not None:
        keep.open_folder(settings.keep)
    listening, settings = bound(settings)
    metrics = Metrics(__version__)
    app = make_app(make_service(settings, found, metrics))
    certificate, private = settings.tls or (None, None)
    config = uvicorn.Config(
        guarded(app, settings, metrics),
        http=limited(most=settings.connections, timeout_s=settings.body_timeout_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=certificate,
        ssl_keyfile=private,
        timeout_graceful_shutdown=int(settings.grace_s),
    )
    server = uvicorn.Server(config)
    with _signals_end_well(server):
        told(settings)
        server.run(sockets=[listening])


def _accepted(state: Path) -> Found | None:
    try:
        found = find_accepted(state)
    except ArtifactError as error:
        log.warning("the acceptance cannot be used: %s", error)
        return None
    if isinstance(found, Refusal):
        log.info("%s: starting the bundle", found.reason)
        return None
    return found


def bound(settings: Settings) -> tuple[socket.socket, Settings]:
    """A socket that listens, and its port where any free one was asked for."""
    from dataclasses import replace

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server(
            (settings.host, settings.port), family=family, backlog=_BACKLOG
        )
    except OSError as error:
        raise ConfigError(
            f"{settings.host} port {settings.port} cannot be used: {error.strerror or error}",
            hint="--port 0 takes any free one",
        ) from error
    return listening, replace(settings, port=listening.getsockname()[1])


@contextlib.contextmanager
def _signals_end_well(server: Server) -> Iterator[None]:
    """uvicorn raises the signals again that ended it; by then there is nothing more to end.

    Before it handles them itself, one that comes is remembered for it.
    """
    kept = {
        it: signal.signal(it, lambda *_: setattr(server, "should_exit", True))
        for it in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
