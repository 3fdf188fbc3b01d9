"""One file from the web: resumed where it broke off, held to the hash of its first download."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scunext_edge.errors import ArtifactError, DataError, missing_extra
from scunext_edge.storage import read_json, sha256_of, storage_errors, write_json, write_text

_ATTEMPTS = 3
_TIMEOUT_S = 60
_BLOCK = 1 << 16


def download(url: str, path: Path) -> str:
    """Bring ``url`` to ``path`` unless a sound copy is there; returns its SHA-256.

    The digest is kept in ``<path>.sha256``. A file on the server that no longer matches it, or a
    server that cannot be reached, is a ``DataError``.
    """
    try:
        import pooch
    except ImportError as error:
        raise missing_extra("pooch", "data", needed_for="data fetch") from error
    import requests

    record = path.with_name(f"{path.name}.sha256")
    known = _recorded(record)
    with storage_errors(path), _quiet(pooch.get_logger()):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            pooch.retrieve(
                url,
                known_hash=f"sha256:{known}" if known else None,
                fname=path.name,
                path=path.parent,
                downloader=_Resuming(path),
            )
        except requests.RequestException as error:  # an OSError, but not one of this disk
            raise DataError(
                f"cannot download {url}: {error}", hint="run the same command again: it goes on"
            ) from error
        except ValueError as error:  # pooch's word for a digest that differs
            raise DataError(
                f"{url} changed since the first download: it no longer has the SHA-256 {known}",
                hint=f"if the change is known to be right, delete {record} and fetch again",
            ) from error
    if known is None:
        known = sha256_of(path)
        write_text(record, f"{known}  {path.name}\n")
    return known


class _Resuming:
    """A downloader for pooch that keeps what it has in ``<path>.part`` until it has all."""

    def __init__(self, path: Path) -> None:
        self._part = path.with_name(f"{path.name}.part")
        self._origin = path.with_name(f"{path.name}.part.json")

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> None:
        """Fill ``output_file``. Connections that break are taken up again, a few times."""
        import requests

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._receive(url)
                break
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                if attempt == _ATTEMPTS:
                    raise
        self._part.replace(output_file)
        self._origin.unlink(missing_ok=True)

    def _receive(self, url: str) -> None:
        import requests

        headers = {"Accept-Encoding": "identity"} | self._range(url)
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            if response.status_code == 416 and self._is_whole(response.headers):
                return
            response.raise_for_status()
            start = self._part.stat().st_size if response.status_code == 206 else 0
            validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
            write_json(self._origin, {"url": url, "validator": validator})
            total = start + int(response.headers.get("Content-Length", 0))
            with self._part.open("ab" if start else "wb") as stream, _bar(url, total, start) as bar:
                for block in response.iter_content(_BLOCK):
                    stream.write(block)
                    bar(len(block))
        if self._part.stat().st_size < total:  # older urllib3 says nothing
            raise requests.ConnectionError(f"{url} ended early")

    def _is_whole(self, headers: Mapping[str, str]) -> bool:
        """Nothing was left to send, and the server's size is ours; else start over next time."""
        if headers.get("Content-Range") == f"bytes */{self._part.stat().st_size}":
            return True
        self._part.unlink()
        return False

    def _range(self, url: str) -> dict[str, str]:
        """Headers that ask for the rest, if the server still has the file that we began with."""
        if not self._part.is_file() or not self._part.stat().st_size:
            return {}
        try:
            origin = read_json(self._origin)
        except ArtifactError:
            return {}
        validator = origin.get("validator")
        if origin.get("url") != url or not validator or validator.startswith("W/"):
            return {}
        return {"Range": f"bytes={self._part.stat().st_size}-", "If-Range": validator}


def _recorded(record: Path) -> str | None:
    if not record.is_file():
        return None
    words = record.read_text(encoding="utf-8", errors="replace").split()
    if not words or len(words[0]) != 64 or set(words[0]) - set("0123456789abcdef"):
        raise DataError(f"{record} holds no SHA-256", hint=f"delete {record} and fetch again")
    return words[0]


@contextmanager
def _bar(url: str, total: int, start: int) -> Iterator[Any]:
    """A progress bar on stderr; yields a function that takes how many bytes arrived."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(url.rsplit("/", 1)[-1], total=total or None, completed=start)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """pooch advises to write digests into the code; here they are recorded in a file."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
