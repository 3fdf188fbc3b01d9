"""OpenSSH's client as a child process: a command and a payload there, lines of JSON back."""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from scunext_edge import errors
from scunext_edge.errors import BackendMissing, MeasurementError, ScunextEdgeError
from scunext_edge.pipeline.remote import agent
from scunext_edge.pipeline.remote.hosts import Host

MOST_BYTES = 256 << 20  # of one line: a record that is larger is none of ours
_SILENCE_S = 90.0  # an agent that lives speaks four times as often
_TICK_S = 0.25
_LOST = 255  # ssh's own exit code for a connection that failed or broke
_OPTIONS = (
    *("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
    *("-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes"),  # what a config may have asked
)
_HINTS = {
    "Permission denied": "`ssh {0}` must work without a password: a key, and ssh-agent if it has "
    "a passphrase",
    "Host key verification failed": "connect once by hand, `ssh {0}`, and compare the fingerprint",
    "Could not resolve": "check the name, or give it a Host entry in your ssh config",
    "Connection refused": "is sshd running there, and on this port?",
    "timed out": "is the device on, and in this network?",
    "No route": "is the device on, and in this network?",
}


class LinkLost(Exception):
    """No connection, or it broke; says what ssh said."""


class Interrupted(Exception):
    """The user wants it to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How to reach one machine. Once ``stop`` is set, whatever is under way ends."""

    host: Host
    config: Path | None = None  # instead of the user's ssh config
    stop: threading.Event

    def shell(self, script: str, *arguments: str, payload: bytes = b"") -> Iterator[dict[str, Any]]:
        """Run a script of the POSIX shell; yield the agent's answers as they come."""
        return self._answers(["sh", "-c", script, "sh", *arguments], payload, None)

    def agent(
        self,
        python: str,
        verb: str,
        *arguments: str,
        payload: bytes = b"",
        file: Path | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Run the agent with one of its verbs; ``payload`` and ``file`` are its stdin."""
        command = [python, "-c", boot(_AGENT), verb, *arguments]
        return self._answers(command, _AGENT + payload, file)

    def ask(self, python: str, verb: str, *arguments: str, payload: bytes = b"") -> dict[str, Any]:
        """The last answer of a verb that comes to an end by itself."""
        return last(self.agent(python, verb, *arguments, payload=payload), self.host)

    def _answers(
        self, command: Sequence[str], payload: bytes, file: Path | None
    ) -> Iterator[dict[str, Any]]:
        """Raises LinkLost, Interrupted, or the agent's own error."""
        with tempfile.TemporaryFile() as sent, tempfile.TemporaryFile() as noise:
            sent.write(payload)
            if file is not None:
                with file.open("rb") as content:
                    shutil.copyfileobj(content, sent)
            sent.seek(0)
            child = subprocess.Popen(
                self._ssh(command),
                stdin=sent,
                stdout=subprocess.PIPE,
                stderr=noise,
                start_new_session=True,  # Ctrl-C is ours to handle: the device has to be tidied
            )
            assert child.stdout is not None
            try:
                for line in self._lines(child.stdout):
                    yield _answer(line, self.host)
                code = child.wait()
            finally:
                child.kill()
                child.wait()
                child.stdout.close()
            noise.seek(0)
            self._check(code, noise.read().decode(errors="replace"))

    def _ssh(self, command: Sequence[str]) -> list[str]:
        program = shutil.which("ssh")
        if program is None:
            raise BackendMissing("there is no ssh here", hint="install OpenSSH's client")
        config = ["-F", str(self.config)] if self.config else []
        return [program, *config, *_OPTIONS, "--", self.host.target, shlex.join(command)]

    def _lines(self, stream: IO[bytes]) -> Iterator[bytes]:
        """Lines of the agent; what a login shell prints besides is dropped."""
        mark, begun, heard = agent.MARK.encode(), bytearray(), time.monotonic()
        while True:
            if self.stop.is_set():
                raise Interrupted
            if not select.select([stream], [], [], _TICK_S)[0]:
                if time.monotonic() - heard > _SILENCE_S:
                    raise LinkLost(f"nothing was heard for {_SILENCE_S:.0f} s")
                continue
            heard = time.monotonic()
            block = os.read(stream.fileno(), 1 << 16)
            if not block:
                return
            begun += block
            if b"\n" in block:
                *lines, rest = bytes(begun).split(b"\n")
                begun = bytearray(rest)
                yield from (line.removeprefix(mark) for line in lines if line.startswith(mark))
            if len(begun) > MOST_BYTES:
                raise _babble(self.host, "sends more than any record holds")

    def _check(self, code: int, said: str) -> None:
        if code == 0:
            return
        words = [line.strip() for line in said.splitlines() if line.strip()]
        if code == _LOST or code < 0:
            raise LinkLost(words[-1] if words else "the connection broke")
        raise MeasurementError(
            f"{self.host.name} ended with {code}: {' | '.join(words[-3:]) or 'no output'}",
            hint=f"try `ssh {self.host.target} true`",
        )


def boot(source: bytes) -> str:
    """What ``python3 -c`` needs to run ``source`` from stdin, and to leave the rest of it there."""
    return f"import sys; exec(compile(sys.stdin.buffer.read({len(source)}), 'sent', 'exec'))"


_AGENT = Path(agent.__file__).read_bytes()


def last(answers: Iterator[dict[str, Any]], host: Host) -> dict[str, Any]:
    """The last of some answers; none at all is an error."""
    found = list(answers)
    if not found:
        raise _babble(host, "gave no answer")
    return found[-1]


def unreachable(host: Host, lost: LinkLost) -> ScunextEdgeError:
    """A connection that does not come about or does not come back, with what to do about it."""
    said = str(lost)
    hints = (hint for words, hint in _HINTS.items() if words in said)
    return MeasurementError(
        f"{host.name} cannot be reached: {said}",
        hint=next(hints, "try `ssh {0} true`").format(host.target),
    )


def _answer(line: bytes, host: Host) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise _babble(host, "sends what is no JSON") from error
    if not isinstance(answer, dict):
        raise _babble(host, "sends an answer that is none")
    if isinstance(answer.get("error"), dict) and "end" not in answer:
        raise error_of(answer["error"], host)
    return answer


def error_of(told: Mapping[str, Any], host: Host) -> ScunextEdgeError:
    """The error that was raised there, as the same class."""
    kind = getattr(errors, str(told.get("kind")), MeasurementError)
    if not (isinstance(kind, type) and issubclass(kind, ScunextEdgeError)):
        kind = MeasurementError
    hint = told.get("hint")
    return kind(f"{host.name}: {told.get('message')}", hint=str(hint) if hint else None)


def _babble(host: Host, what: str) -> MeasurementError:
    return MeasurementError(
        f"{host.name} {what}", hint="does its login shell print something? compare the versions"
    )
