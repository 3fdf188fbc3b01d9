"""The rows of a run as they come: a line of JSON each, so that a stopped run can go on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from scunext_edge.errors import StorageError
from scunext_edge.storage import storage_errors


class Journal:
    """Appends rows to a file and finds the last one of a path again; only places are kept.

    A line that was cut off by a power failure is taken away when the file is opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        self._stream: IO[bytes] | None = None
        if path.exists():
            self._find()

    def append(self, row: dict[str, Any]) -> None:
        """Write a row; once this returns, a crash of this process does not lose it."""
        with storage_errors(self._path):
            if self._stream is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = self._path.open("ab")
            self._places[row["path"]] = self._stream.tell()
            self._stream.write(json.dumps(row, allow_nan=False).encode() + b"\n")
            self._stream.flush()

    def rows(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The last row of each of ``names`` that has one."""
        if not self._places:
            return
        with self._path.open("rb") as stream:
            for name in names:
                if name in self._places:
                    stream.seek(self._places[name])
                    yield json.loads(stream.readline())

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _find(self) -> None:
        with storage_errors(self._path), self._path.open("rb+") as stream:
            whole = 0
            for line in stream:
                try:
                    row = json.loads(line) if line.endswith(b"\n") else None
                    name = row["path"] if row else None
                except (ValueError, TypeError, KeyError) as error:
                    raise StorageError(
                        f"{self._path} is no journal of a run",
                        hint="it was altered: remove it, or choose another --out",
                    ) from error
                if name is None:
                    break
                self._places[name] = whole
                whole += len(line)
            stream.truncate(whole)
