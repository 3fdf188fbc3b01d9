"""Files that nobody wrote on purpose: each is refused with a reason, or runs; none breaks anything.

Mutated files are opened in a process of their own. SCUNEXT_REPLAY names a program to use there, a
``replay`` that was built with a sanitizer; SCUNEXT_MUTATIONS is how many files are tried.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import scunext_edge.weights
from scunext_edge.kernels.plan import BlobType, Gather, Kind, TensorType

F32, Q8, Q16 = TensorType.F32, TensorType.Q8, TensorType.Q16
SHIPPED = sorted(Path(scunext_edge.weights.__file__).parent.glob("*/native-*/model.scx"))
MUTATIONS = int(os.environ.get("SCUNEXT_MUTATIONS", "500"))
HEADER, TENSOR, OP, BLOB = 64, 16, 112, 16  # bytes; docs/scx.md
INTERESTING = [0, 1, 2, 7, 8, 31, 63, 64, 255, 4096, 4097, 2**15, 2**31 - 1, 2**31, 2**32 - 1]
FLOATS = [0.0, -0.0, -1.0, 1e-45, 1e-38, 3e38, float("inf"), float("-inf"), float("nan")]


def sealed(file):
    """The same with the size and the checksum that it must state."""
    file = bytearray(file)
    if len(file) >= HEADER:
        file[12:24] = struct.pack("<IQ", 0, len(file))
        file[12:16] = struct.pack("<I", zlib.crc32(file))
    return bytes(file)


class Mutator:
    """Changes a file where it has structure. Some changes are wrong, some are merely unusual."""

    def __init__(self, random, file):
        self.random = random
        self.file = bytearray(file)
        *self.counts, _, _, records = struct.unpack_from("<6I", file, 36)
        starts = np.cumsum([records, self.counts[0] * TENSOR, self.counts[1] * OP])
        self.starts = [int(it) for it in starts]
        self.ways = [
            *[self.header, self.tensor, self.blob, self.weights, self.flip] * 2,
            *[self.setting, self.index, self.value] * 4,
            *(self.swap, self.copy, self.cut, self.extend),
        ]

    def mutate(self):
        for _ in range(self.pick([1, 1, 1, 2, 3])):
            self.pick(self.ways)()
        return sealed(self.file)

    def pick(self, things):
        return things[self.random.integers(len(things))]

    def record(self, part, size):
        """Where a record of a part (0 tensors, 1 operations, 2 weights) begins."""
        count = self.counts[part]
        return self.starts[part] + size * int(self.random.integers(count)) if count else HEADER

    def put(self, form, offset, *values):
        if offset + struct.calcsize(form) <= len(self.file):
            struct.pack_into(form, self.file, offset, *values)

    def number(self, near=0):
        if self.random.random() < 0.5:
            return self.pick(INTERESTING)
        return int(near + self.random.integers(-3, 4)) % 2**32

    def held(self, form, offset):
        inside = offset + struct.calcsize(form) <= len(self.file)
        return struct.unpack_from(form, self.file, offset)[0] if inside else 0

    def header(self):
        offset = 4 * int(self.random.integers(6, 16))
        self.put("<I", offset, self.number(self.held("<I", offset)))

    def tensor(self):
        at = self.record(0, TENSOR)
        which = int(self.random.integers(7))
        if which < 4:
            self.put("B", at + which, self.pick([0, 1, 2, 3, 5, 12, 13, 32, 33, 255]))
        elif which == 5:
            self.put("<f", at + 8, self.pick(FLOATS))
        else:
            offset = at + (4 if which == 4 else 12)
            self.put("<I", offset, self.number(self.held("<I", offset)))

    def setting(self):
        offset = self.record(1, OP) + int(self.random.integers(8))
        self.put("B", offset, self.pick([0, 1, 2, 3, 4, 17, 18, 32, 33, 255, *range(18)]))

    def index(self):
        """Of a tensor or of weights; often of a tensor that was written before."""
        at, slot = self.record(1, OP), int(self.random.integers(22))
        count = self.counts[0] if slot < 10 else self.counts[2]
        value = int(self.random.integers(-2, count + 2))
        if self.random.random() < 0.7:
            slot = int(self.random.integers(4))
            value = int(self.random.integers(max(self.held("<i", at + 40), 1)))
        self.put("<i", at + 8 + 4 * slot, value)

    def value(self):
        slot = 96 + 4 * int(self.random.integers(2))
        self.put("<f", self.record(1, OP) + slot, self.pick(FLOATS))

    def blob(self):
        at = self.record(2, BLOB)
        offset = at + self.pick([0, 4, 8, 12])
        if offset == at + 8 and self.random.random() < 0.5:  # onto other weights, or past the end
            self.put("<Q", offset, 64 * int(self.random.integers(len(self.file) // 64 + 2)))
        else:
            self.put("<I", offset, self.number(self.held("<I", offset)))

    def weights(self):
        """Numbers that no product survives, within one blob."""
        at = self.record(2, BLOB)
        start, count = self.held("<Q", at + 8), self.held("<I", at + 4)
        content = self.pick([b"\x80", b"\xff\xff", b"\0\0\x80\x7f", b"\xff\xff\xff\x7f", b"\0\0"])
        self.put(f"{len(content)}s", start + int(self.random.integers(count + 1)), content)

    def flip(self):
        if self.file:
            offset = int(self.random.integers(len(self.file)))
            self.file[offset] ^= 1 << int(self.random.integers(8))

    def copy(self):
        """One record over another of its kind."""
        part, size = self.pick([(0, TENSOR), (1, OP), (2, BLOB)])
        source, target = self.record(part, size), self.record(part, size)
        self.file[target : target + size] = self.file[source : source + size].ljust(size, b"\0")

    def swap(self):
        part, size = self.pick([(0, TENSOR), (1, OP), (2, BLOB)])
        one, two = (slice(it, it + size) for it in (self.record(part, size) for _ in range(2)))
        if len(self.file[one]) == len(self.file[two]) == size:
            self.file[one], self.file[two] = self.file[two], self.file[one]

    def cut(self):
        del self.file[int(self.random.integers(len(self.file) + 1)) :]

    def extend(self):
        self.file += self.random.bytes(int(self.random.integers(1, 200)))


def quantized_plan(bench):
    """Most operations, with bytes."""
    image = bench.image_source(Q8)
    deep = bench.source(Q8, 16, halo=3, nonnegative=True)
    weights = bench.convolution_weights
    bench.case(Kind.CONV, (image,), [(Q8, 8, 1)], blobs=weights(image, 9, 8), pool=True)
    bench.case(Kind.CONV, (deep,), [(Q8, 24, 5)], blobs=weights(deep, 9, 24), dilation=3)
    for gather in (Gather.ROWS, Gather.PLAIN):
        facts = {"blobs": weights(deep, 1, 8), "gather": gather}
        bench.case(Kind.LINEAR, (deep,), [(Q8, 8, 5), (F32, 8, 5)], **facts)
    bench.case(Kind.DEPTHWISE, (deep,), [(Q8, 16, 5)], blobs=(bench.floats(144), bench.floats(16)))
    parts = [bench.source(Q8, 8) for _ in range(3)]
    blobs = [it for part in parts for it in weights(part, 4, 8)]
    bench.case(Kind.DECONV, parts, [(F32, 8, 4)], blobs=blobs)
    bench.case(Kind.CONCAT, parts, [(Q8, 24, 5)])
    bench.case(Kind.MAX_POOL, (bench.source(Q8, 8, 4),), [(Q8, 8, 5)])
    last = bench.source(Q8, 16, 1)
    blobs = (*weights(last, 4, 8), bench.floats(1))
    bench.case(Kind.TAIL_DECONV, (last,), blobs=blobs)


def float_plan(bench):
    """The others, and those that differ with floats."""
    anything = {"tolerance": lambda *_: np.inf}
    deep, other = (bench.source(F32, 16, halo=2) for _ in range(2))
    weights = bench.convolution_weights
    bench.case(Kind.CONV, (deep, other), [(F32, 16, 5)], blobs=weights(deep, 9, 16), **anything)
    both = (bench.floats(16), bench.floats(16))
    bench.case(Kind.LAYERNORM, (deep,), [(Q8, 16, 5)], blobs=both, values=(1e-5,))
    for mode in range(3):
        bench.case(Kind.UPSAMPLE, (deep,), [(F32, 16, 4)], mode=mode)
    bench.case(Kind.CHANNEL_STATS, (deep,), [(F32, 32, 5, 255)])
    gate, maps = bench.gate(16), bench.maps(halo=3)
    bench.case(Kind.SPATIAL_SUMMARY, (deep, gate), [(F32, 1, 5), (F32, 1, 5)])
    bench.case(Kind.SPATIAL_GATE, maps, [(F32, 1, 5)], blobs=(bench.floats(98), bench.floats(1)))
    bench.case(Kind.CROSS, (deep, gate, maps[0], other, deep), [(Q8, 16, 5)])
    bench.case(Kind.ELTWISE, (deep,), [(F32, 16, 5)], blobs=both, mode=2)
    last = bench.source(Q16, 8, 1)
    blobs = (bench.blob(np.arange(8), BlobType.INT16), bench.floats(1))
    bench.case(Kind.TAIL_UPSAMPLE, (last,), blobs=blobs, values=(1e-5,))


def replayed(library, paths):
    """What became of each file, by its path."""
    program = os.environ.get("SCUNEXT_REPLAY")
    start = [program] if program else [sys.executable, Path(__file__).with_name("replay.py")]
    words = paths if program else [library, *paths]
    done = subprocess.run([*start, *words], capture_output=True, text=True, errors="replace")
    lines = done.stdout.splitlines()
    last = lines[-1] if lines else "it had not begun"
    assert done.returncode == 0, f"the process died ({done.returncode}): {last}\n{done.stderr}"
    results = [it.partition(" ") for it in lines if it.startswith(("opened", "refused"))]
    assert len(results) == len(paths), done.stdout
    return [(word, rest.partition(": ")[2]) for word, _, rest in results]


@pytest.mark.parametrize("source", ["shipped", "quantized", "float"])
def test_a_mutated_file_runs_or_is_refused_with_a_reason(
    native_library, workbench, random, tmp_path, source
):
    if source == "shipped":
        files, count = [it.read_bytes() for it in SHIPPED], MUTATIONS // 20
    else:
        bench = workbench((1, 2))
        (quantized_plan if source == "quantized" else float_plan)(bench)
        files, count = [bench.plan.to_bytes()], MUTATIONS
    paths = [tmp_path / f"{index}.scx" for index in range(count + len(files))]
    contents = [files[index % len(files)] for index in range(count)]
    contents = [*files, *(Mutator(random, it).mutate() for it in contents)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    results = replayed(native_library, paths)
    assert all(word == "opened" for word, _ in results[: len(files)]), results[: len(files)]
    reasons = [reason for word, reason in results if word == "refused"]
    for reason in reasons:
        assert "; " in reason, f"no remedy: {reason!r}"
        assert "checksum" not in reason, "the mutations must get past it"
    assert 0 < len(reasons) < count, "some mutations are harmless, some are not"
    for path in paths:
        path.unlink()
