"""How a server is to run, checked before it does."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.data.images import MAX_PIXELS
from scunext_edge.errors import ConfigError

_TOKEN = re.compile(r"[\x21-\x7e]{16,512}")
_OTHERS = 0o037  # a group may read: that is how secrets reach a container or a unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times in seconds, sizes in bytes."""

    state: Path
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    keep: Path | None = None  # pictures and answers are stored here; null: nowhere
    tls: tuple[Path, Path] | None = None  # certificate and private key
    max_body: int = 20_000_000
    max_pixels: int = 50_000_000
    workers: int = 2
    queue: int = 8  # pictures that wait for a worker
    connections: int = 256
    body_timeout_s: float = 30.0  # for a request to arrive, and for a client to take its answer
    work_timeout_s: float = 30.0  # for one picture in a worker, and for a worker to be free
    grace_s: float = 20.0  # for what is in flight when the server is told to stop
    recheck_s: float = 300.0  # whether every file is still what was accepted

    @property
    def held_bytes(self) -> int:
        """The most that bodies may take in memory, all together."""
        return self.max_body * (self.workers + self.queue)

    @property
    def url(self) -> str:
        """Where it answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def check(settings: Settings) -> None:
    """Refuse, as ``ConfigError``, what must not be served: above all a network without a token."""
    if settings.token is None and not is_loopback(settings.host):
        raise ConfigError(
            f"{settings.host} can be reached by others, and there is no token",
            hint="--token-file FILE with a secret in it, or --host 127.0.0.1",
        )
    for path in settings.tls or ():
        if not path.is_file():
            raise ConfigError(f"{path} does not exist", hint="--tls-cert and --tls-key are files")
    if settings.tls is not None:
        _check_tls(*settings.tls)
    if settings.max_pixels > MAX_PIXELS:
        raise ConfigError(
            f"--max-pixels is {settings.max_pixels / 1e6:g} megapixels, and no picture of more "
            f"than {MAX_PIXELS / 1e6:.4g} is decoded",
            hint=f"--max-pixels {int(MAX_PIXELS / 1e6)} is the most",
        )


def _check_tls(certificate: Path, private: Path) -> None:
    """As the server will load them, which asks nobody for a password."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private, password=lambda: "")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(
            f"{certificate} and {private} cannot be used for TLS: "
            f"{getattr(error, 'reason', None) or getattr(error, 'strerror', None) or error}",
            hint="a certificate and its private key, both PEM, the key without a password",
        ) from error


def is_loopback(host: str) -> bool:
    """Whether an address, or all that a name stands for, is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = {str(it[4][0]) for it in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise ConfigError(f"{host} is no address: {error}", hint="--host 127.0.0.1") from error
    return all(ipaddress.ip_address(it.partition("%")[0]).is_loopback for it in found)


def read_token(path: Path) -> str:
    """The secret in a file that others may not read; anything else is a ``ConfigError``."""
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the token cannot be read from {path}: {error}", hint="a text file with one secret"
        ) from error
    if mode & _OTHERS:
        raise ConfigError(
            f"{path} can be read or changed by others (mode {mode & 0o777:o})",
            hint=f"chmod 600 {path}",
        )
    if not _TOKEN.fullmatch(text):
        raise ConfigError(
            f"{path} holds no token: 16 to 512 letters, digits and signs, without spaces",
            hint=f"(umask 077; openssl rand -hex 32 > {path})",
        )
    return text
