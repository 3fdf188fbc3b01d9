"""A pytest plugin: ``-p port`` lets the tests of kernels drive another platform's libscunext.

SCUNEXT_PORT is the command that starts ``port_check`` there, under an emulator. Its requests and
answers are described in ``csrc/tests/port_check.cpp``.
"""

from __future__ import annotations

import os
import shlex
import struct
import subprocess
from functools import cache

import numpy as np

from scunext_edge.kernels import native

ISAS, OPEN, COUNT, WRITE, READ, OPERATION, RUN = range(7)
OUTPUTS = {"logits": (0, np.float32), "score": (1, np.uint8)}


class Port:
    """``port_check serve``, which holds one model at a time."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, command, a=0, b=0, *payload):
        parts = [bytes(it) for it in payload]
        head = struct.pack("<IiII", command, a, b, sum(map(len, parts)))
        self.process.stdin.write(b"".join([head, *parts]))
        self.process.stdin.flush()
        head = self._read(8)
        status, count = struct.unpack("<iI", head)
        answer = self._read(count)
        if status:
            raise native.ScxError(answer.decode())
        return answer

    def _read(self, count):
        answer = self.process.stdout.read(count)
        assert len(answer) == count, f"port_check ended: {self.process.wait()}"
        return answer


class PortModel:
    """What ``native.Model`` is, on the port. Only the one that was opened last can be used."""

    def __init__(self, port, file, isa, threads, profile):
        self.port = port
        answer = port.ask(OPEN, threads, profile, (isa or "").encode() + b"\0", file)
        self.sides = struct.unpack("<2I", answer)

    def write_tensor(self, index, stored):
        self._same_count(index, stored.size)
        self.port.ask(WRITE, index, 0, np.ascontiguousarray(stored, "<f4").tobytes())

    def read_tensor(self, index, shape):
        self._same_count(index, int(np.prod(shape)))
        return np.frombuffer(self.port.ask(READ, index), "<f4").reshape(shape)

    def run_operation(self, index, image, output="logits"):
        what, dtype = OUTPUTS[output]
        answer = self.port.ask(OPERATION, index, what, image.tobytes())
        return np.frombuffer(answer, dtype).reshape(self.sides)

    def run(self, images, output="score"):
        what, dtype = OUTPUTS[output]
        answer = self.port.ask(RUN, 0, what, images.tobytes())
        return np.frombuffer(answer, dtype).reshape(len(images), 1, *self.sides)

    def close(self):
        pass

    def _same_count(self, index, count):
        (held,) = struct.unpack("<q", self.port.ask(COUNT, index))
        assert held == count, f"tensor {index} holds {held} numbers, not {count}"


@cache
def _port():
    return Port(shlex.split(os.environ["SCUNEXT_PORT"]))


def _instruction_sets():
    return tuple(it for it in _port().ask(ISAS).decode().split() if it != "scalar")


def _open_model(file, *, isa=None, threads=1, spin_us=None, profile=0):
    return PortModel(_port(), file, isa, threads, profile)


def pytest_configure():
    native.instruction_sets = _instruction_sets
    native.open_model = _open_model


def pytest_unconfigure():
    if _port.cache_info().currsize:
        _port().process.stdin.close()
        assert _port().process.wait() == 0
