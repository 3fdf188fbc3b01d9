"""A worker without a bundle: lesion is what is bright. Some bodies make it misbehave.

``python fake_worker.py``; ``python fake_worker.py REASON`` refuses to start.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from scunext_edge.serve import frames
from scunext_edge.serve.frames import Frame

VERSIONS = {
    "scunext_edge": "0",
    "bundle": "b",
    "model": "bright",
    "form": "fake",
    "precision": "fp32",
    "gate": "failed",
    "artifact": "a",
    "engine": "fake",
    "engine_version": "0",
    "device": "cpu",
}


def main():
    outbox = sys.stdout.buffer
    if len(sys.argv) > 1:
        frames.write(outbox, Frame(header={"refused": sys.argv[1], "hint": None}))
        return
    frames.write(outbox, Frame(header={"ready": VERSIONS}))
    while (frame := frames.read(sys.stdin.buffer)) is not None:
        body = frame.blobs[0]
        if body.startswith(b"die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if body.startswith(b"sleep "):
            time.sleep(float(body.split()[1]))
            frames.write(outbox, Frame(header={"slept": True}))
            continue
        if body == b"flood":  # an answer that is long, and does not come to an end
            outbox.write(Frame(header={}, blobs=[b""]).parts()[0])
            outbox.write(b"{}" + (1 << 40).to_bytes(8, "big"))
            while True:
                outbox.write(bytes(1 << 16))
        if body.startswith(b"once "):  # the first worker that sees the file removes it, and dies
            path = Path(body[5:].decode())
            if path.exists():
                path.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            frames.write(outbox, Frame(header={"survived": True}))
            continue
        if body.startswith(b"bug"):
            frame = Frame(header={"asked": {"no": "such field"}}, blobs=[body])
        frames.write(outbox, segmented(frame))


def segmented(frame):
    """Imported late: most of these workers never see a picture."""
    from scunext_edge.runtime.backends.fake import FakeRunner
    from scunext_edge.runtime.predictor import Predictor
    from scunext_edge.serve import worker
    from scunext_edge.spec import ModelSpec

    return worker.answer(Predictor(FakeRunner(ModelSpec(size=32))), frame)


if __name__ == "__main__":
    main()
