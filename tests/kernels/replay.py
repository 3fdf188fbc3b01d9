"""What ``csrc/tests/replay.cpp`` does, by way of ctypes: ``replay.py LIBRARY FILE...``.

A process of its own, which a file that breaks the library takes with it, and not the tests.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np

from scunext_edge.kernels import native

SMALL = (64, 96)
MOST_PIXELS = 256 * 256


def sizes(file):
    """Those at which a file is quickly run: a small one, and its own."""
    yield SMALL
    if len(file) >= 64:
        height, width = struct.unpack_from("<2I", file, 28)
        if 0 < height * width <= MOST_PIXELS:
            yield None


def replay(library, file):
    """Why it was refused, or None where it was opened and ran."""
    reason = None
    opened = False
    for isa in native.instruction_sets(library):
        for size in sizes(file):
            try:
                model = native.open_model(file, isa=isa, size=size, threads=2, library=library)
            except native.ScxError as error:
                reason = str(error)
                continue
            opened = True
            sides = model.description.height, model.description.width
            images = np.zeros((1, *sides, 3), np.uint8)
            images += np.arange(images.size, dtype=np.uint8).reshape(images.shape)
            for output in ("logits", "score"):
                model.run(images, output)
            model.close()
    return None if opened else reason


def main():
    library = Path(sys.argv[1])
    for path in sys.argv[2:]:
        print(f"replaying {path}", flush=True)  # noqa: T201
        reason = replay(library, Path(path).read_bytes())
        print(f"opened {path}" if reason is None else f"refused {path}: {reason}")  # noqa: T201


if __name__ == "__main__":
    main()
