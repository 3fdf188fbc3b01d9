"""Writing files so that a reader sees the old one, the new one, or none: never half of one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scunext_edge.errors import ArtifactError, StorageError

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there when the block ends well.

    On any exception, Ctrl-C included, the temporary file is removed and ``path`` is untouched.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
    try:
        with storage_errors(path):
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside ``path``; move it there when the block ends well.

    A directory that stands at ``path`` already is replaced as a whole: it is moved aside first,
    so that not even an interruption of its removal leaves half of it there.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with storage_errors(path):
            yield temporary
            temporary.chmod(0o755)
            _exchange(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(temporary: Path, path: Path) -> None:
    """Put ``temporary`` where ``path`` is; what was there comes back if that does not work."""
    if not path.exists():
        temporary.replace(path)
        return
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file is in the way")
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        path.replace(aside / "old")
        try:
            temporary.replace(path)
        except BaseException:
            (aside / "old").replace(path)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def on_disk(path: Path) -> None:
    """Wait until a file's bytes would outlive a power failure: some milliseconds.

    Not for every file, then: what is lost with the power is made again by a run that resumes.
    """
    with storage_errors(path):
        handle = os.open(path, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` as indented JSON, atomically. NaN is refused: unknown is null."""
    write_text(path, json.dumps(data, indent=1, allow_nan=False, default=_plain) + "\n")


@contextlib.contextmanager
def locked(path: Path, *, wait_s: float = 30.0) -> Iterator[None]:
    """Hold ``path``, a file or folder that exists, against other processes that ask for it here.

    Whoever ends, even killed, lets go. One that is held longer than ``wait_s``: ``StorageError``.
    Where the system or its network drive has no such locks (Windows), nothing is held.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with storage_errors(path):
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # as NFS asks
    try:
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    raise StorageError(
                        f"another process is at work in {path}",
                        hint="wait until it has finished, or choose another folder",
                    ) from error
                time.sleep(0.1)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                break
        yield
    finally:
        os.close(handle)


def read_json(path: Path) -> Any:
    """Read a JSON file of ours; one that is missing or broken is an ``ArtifactError``."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from error


def read_record(path: Path, *, kind: str, schema: int, oldest: int = 0) -> dict[str, Any]:
    """Read a record of ours; another kind or schema, or no record at all: ``ArtifactError``.

    Schemas from ``oldest`` (if given) to ``schema`` are read.
    """
    data = read_json(path)
    found = (data.get("schema"), data.get("kind")) if isinstance(data, dict) else (None, None)
    if found[1] != kind or found[0] not in range(oldest or schema, schema + 1):
        raise ArtifactError(
            f"{path} is {found[1]!r} of schema {found[0]!r}; "
            f"this version reads {kind!r} of schema {schema}",
            hint="it was written by another version of scunext-edge: keep it, and use another "
            "folder",
        )
    return dict(data)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a failed write below this block into a ``StorageError`` that names ``path``."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}",
            hint="choose a folder that can be written to, with enough free space",
        ) from error


def _plain(value: Any) -> Any:
    """JSON for paths and numpy scalars."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"cannot store a {type(value).__name__}")
