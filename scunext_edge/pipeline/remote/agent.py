"""What SSH runs on a device around a measurement. The standard library alone; sent as text.

Each connection starts this file anew by ``python3 -c``, with its text on stdin and then the
payload; the verb and its arguments are those of the command line. Answers are lines of JSON
behind :data:`MARK`, since a login shell may print things of its own. What measures is another
process, detached from any connection, which holds ``lock`` in its work folder for as long as it
lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

MARK = "scunext-edge:"
PREFIX = "scunext-remote-"  # of every work folder
LOCK, STATUS, DIGEST, LOG = "lock", "status.json", "archive.sha256", "log.txt"
RECORDS, DEVICE = "records", "device.json"
RUNNER = "scunext_edge.pipeline.remote.device"
ROOM_BYTES = 64 << 20  # for records, beside what is unpacked
_LOOK_S, _HEARTBEAT_S, _PATIENCE_S = 0.5, 15.0, 10.0


class Refusal(Exception):
    """What the other side raises as the error of this kind."""

    def __init__(self, kind: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.kind, self.hint = kind, hint


def main() -> None:
    """Do what the command line says; an answer or an error, and nothing else, on stdout."""
    verb, *arguments = sys.argv[1:]
    try:
        VERBS[verb](*arguments)
    except Refusal as error:
        say({"error": {"kind": error.kind, "message": str(error), "hint": error.hint}})


def say(answer: dict[str, Any]) -> None:
    """One line of JSON."""
    sys.stdout.write(MARK + json.dumps(answer) + "\n")
    sys.stdout.flush()


# --- work folders --------------------------------------------------------------------------


def parents() -> list[Path]:
    """Where a work folder may be, the best first."""
    wished = [os.environ.get("TMPDIR"), "/tmp", os.environ.get("HOME"), "/var/tmp"]
    return [Path(path) for path in dict.fromkeys(wished) if path and Path(path).is_dir()]


def is_ours(folder: Path) -> bool:
    """A real folder of this user with a name of ours: anyone may write to /tmp."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        folder.name.startswith(PREFIX)
        and stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.geteuid()
    )


def find(token: str) -> None:
    """The work folder of an earlier connection, and the digest of what was unpacked there."""
    for parent in parents():
        folder = parent / (PREFIX + token)
        if is_ours(folder) and (folder / DIGEST).is_file():
            digest = (folder / DIGEST).read_text(encoding="ascii")
            say({"folder": str(folder), "digest": digest})
            return
    say({"folder": None, "digest": None})


def push(token: str, size: str, digest: str) -> None:
    """Unpack the archive on stdin, ``size`` bytes, into a new work folder; all of it or none."""
    refused = []
    for parent in parents():
        part = parent / f"{PREFIX}{token}.part"
        try:
            if is_ours(part):
                shutil.rmtree(part)
            free = os.statvfs(parent)
            lacking = int(size) + ROOM_BYTES - free.f_bavail * free.f_frsize
            if lacking > 0:
                refused.append(f"{parent}: {-(-lacking >> 20)} MiB too little space")
                continue
            part.mkdir(mode=0o700)
        except OSError as error:
            refused.append(f"{parent}: {error.strerror}")
            continue
        _unpack(part, int(size), digest)
        folder = parent / (PREFIX + token)
        part.rename(folder)
        say({"folder": str(folder)})
        return
    raise Refusal(
        "StorageError",
        f"there is no folder to work in ({'; '.join(refused)})",
        "make room there, or set TMPDIR for the user of the connection",
    )


def _unpack(part: Path, size: int, digest: str) -> None:
    stream = _Counted(sys.stdin.buffer, size)
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                path = part / member.name
                if not member.isfile() or ".." in path.parts or part not in path.parents:
                    raise Refusal("StorageError", f"{member.name!r} is no file of ours", "")
                path.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None
                with path.open("wb") as out:
                    shutil.copyfileobj(content, out)
        while stream.read(1 << 20):
            pass
        if stream.digest.hexdigest() != digest:
            raise tarfile.TarError
        (part / "tmp").mkdir()
        (part / DIGEST).write_text(digest, encoding="ascii")
    except tarfile.TarError as error:
        shutil.rmtree(part, ignore_errors=True)
        hint = "start it again"
        raise Refusal("StorageError", "the archive did not arrive whole", hint) from error
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise Refusal(
            "StorageError",
            f"cannot write to {part.parent}: {error.strerror or error}",
            "make room there, or set TMPDIR for the user of the connection",
        ) from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


class _Counted:
    """``size`` bytes of a stream, hashed on the way; tells how far it is."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.stream, self.left, self.size = stream, size, size
        self.digest = hashlib.sha256()
        self.told = time.monotonic()

    def read(self, count: int) -> bytes:
        block = self.stream.read(min(count, self.left))
        self.left -= len(block)
        self.digest.update(block)
        if time.monotonic() - self.told > 1:
            self.told = time.monotonic()
            say({"received": self.size - self.left})
        return block


def remove(folder: str) -> None:
    """End what runs there, and leave nothing."""
    path = Path(folder)
    if is_ours(path):
        _end(path)
        shutil.rmtree(path)
    say({"removed": True})


# --- the process that measures -------------------------------------------------------------


def start(folder: str, python: str, worker_python: str) -> None:
    """Start the process that measures, unless it runs; it outlives this connection.

    stdin: ``{name: text}`` of records of an earlier time, to go on from.
    """
    path = Path(folder)
    if not is_running(path):
        _end_inside(path)
        (path / RECORDS).mkdir(exist_ok=True)
        for name, text in json.loads(sys.stdin.buffer.read()).items():
            (path / RECORDS / name).write_text(text, encoding="utf-8")
        environment = {**os.environ, "TMPDIR": str(path / "tmp")}
        (path / STATUS).unlink(missing_ok=True)
        with (path / LOG).open("wb") as log:
            child = subprocess.Popen(
                [python, "-m", RUNNER, worker_python],  # -m: the work folder is looked in first
                cwd=path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while child.poll() is None and not (path / STATUS).is_file():
            time.sleep(0.05)
    say({"started": True})


def is_running(folder: Path) -> bool:
    """Whether a process holds the lock; unlike a process number it cannot be another's."""
    try:
        with (folder / LOCK).open("r+b") as lock:  # not made here: the folder may be on its way out
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def follow(folder: str) -> None:
    """Tell what changes until the process ends: its status, and each record as it is written.

    stdin: ``{name: sha256}`` of the files that the other side has.
    """
    path = Path(folder)
    told = json.loads(sys.stdin.buffer.read())
    status: Any = None
    spoke = time.monotonic()
    while True:
        if not is_ours(path):
            say({"end": "gone"})
            return
        alive = is_running(path)  # before looking: what it wrote last is seen
        now = _read(path / STATUS)
        if now != status:
            status, spoke = now, time.monotonic()
            say({"status": status})
        for name, text in _changed(path, told):
            spoke = time.monotonic()
            say({"file": name, "text": text})
        if not alive:
            say(_ending(path, status))
            return
        if time.monotonic() - spoke > _HEARTBEAT_S:
            spoke = time.monotonic()
            say({"alive": True})
        time.sleep(_LOOK_S)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _changed(folder: Path, told: dict[str, str]) -> list[tuple[str, str]]:
    """Finished files that differ from what was told; ``told`` learns of them."""
    found = []
    for path in (folder / DEVICE, *sorted((folder / RECORDS).glob("*.measurement.json"))):
        if not path.is_file() or path.name.startswith("."):
            continue
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if told.get(path.name) != digest:
            told[path.name] = digest
            found.append((path.name, content.decode()))
    return found


def _ending(folder: Path, status: Any) -> dict[str, Any]:
    state = status["state"] if status else "running"
    if state != "running":
        return {"end": state, "error": status.get("error")}
    free = os.statvfs(folder)
    full = free.f_bavail * free.f_frsize < 1 << 20
    log = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    lines = [line for line in log.splitlines() if line.strip()][-4:]
    return {"end": "died", "log": " | ".join(lines), "disk_is_full": full}


def _end(folder: Path) -> None:
    """Ask the process to end, which ends its children; then see to it."""
    status = _read(folder / STATUS)
    if status and is_running(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(status["pid"], signal.SIGTERM)
        _wait(lambda: not is_running(folder))
    _end_inside(folder)


def _end_inside(folder: Path) -> None:
    """Nothing works there any more, what a killed process left behind included."""
    for process in _inside(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    _wait(lambda: not _inside(folder))


def _inside(folder: Path) -> list[int]:
    """The processes whose working directory it is."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink() == folder.resolve():
                found.append(int(link.parent.name))
    return found


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


VERBS: dict[str, Callable[..., None]] = {
    "find": find, "push": push, "start": start, "follow": follow, "remove": remove,
}  # fmt: skip

if __name__ == "__main__":
    main()
