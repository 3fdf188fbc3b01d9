"""What server and worker say to each other over pipes: JSON, and bytes that belong to it."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

_LENGTHS = struct.Struct(">II")  # of the JSON; how many blobs follow
_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message."""

    header: dict[str, Any]
    blobs: Sequence[bytes] = field(default_factory=tuple)

    def parts(self) -> list[bytes]:
        """Its bytes, without joining what may be large."""
        text = json.dumps(self.header).encode()
        parts = [_LENGTHS.pack(len(text), len(self.blobs)), text]
        for blob in self.blobs:
            parts += [_LENGTH.pack(len(blob)), blob]
        return parts


def read(stream: BinaryIO) -> Frame | None:
    """The next message, or None where the other side has ended."""
    head = stream.read(_LENGTHS.size)
    if len(head) < _LENGTHS.size:
        return None
    size, count = _LENGTHS.unpack(head)
    header = json.loads(stream.read(size))
    blobs = [stream.read(*_LENGTH.unpack(stream.read(_LENGTH.size))) for _ in range(count)]
    return Frame(header=header, blobs=blobs)


def write(stream: BinaryIO, frame: Frame) -> None:
    """All of it, at once."""
    for part in frame.parts():
        stream.write(part)
    stream.flush()


async def receive(stream: asyncio.StreamReader) -> Frame:
    """The next message; ``IncompleteReadError`` where the other side ends before or within it."""
    size, count = _LENGTHS.unpack(await stream.readexactly(_LENGTHS.size))
    header = json.loads(await stream.readexactly(size))
    blobs = []
    for _ in range(count):
        (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
        blobs.append(await stream.readexactly(length))
    return Frame(header=header, blobs=blobs)


async def send(stream: asyncio.StreamWriter, frame: Frame) -> None:
    """All of it, as fast as the other side takes it."""
    for part in frame.parts():
        stream.write(part)
        await stream.drain()
