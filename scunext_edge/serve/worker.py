"""The child that decodes and segments: a crash of a decoder or an engine ends it, not the server.

``python -m scunext_edge.serve.worker STATE`` speaks frames: one when it is ready or refuses, then
one for each that it gets. It ends when its input ends, and only then, or when work takes too long.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scunext_edge.deploy.accepted import Accepted, Refusal, open_accepted
from scunext_edge.errors import ScunextEdgeError
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import backend_module
from scunext_edge.serve import frames
from scunext_edge.serve.frames import Frame
from scunext_edge.serve.problems import Problem
from scunext_edge.serve.segmentation import Asked, segment

_SPARE_S = 5  # after the server's own limit: for the case that it is gone


def main(state: Path) -> int:
    """Serve one pipe."""
    # A terminal or a service manager signals all processes at once; the server ends its workers
    # when what they do is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    inbox, outbox = sys.stdin.buffer, _private_stdout()
    try:
        accepted = open_accepted(state)
    except ScunextEdgeError as error:
        accepted = Refusal(reason=str(error), hint=error.hint or "see the server's log")
    if isinstance(accepted, Refusal):
        refusal = {"refused": accepted.reason, "hint": accepted.hint}
        frames.write(outbox, Frame(header=refusal))
        return 1
    predictor = Predictor(accepted.runner, accepted.limits)
    predictor.predict(np.zeros((64, 64, 3), np.uint8))  # engines do things late
    frames.write(outbox, Frame(header={"ready": versions(accepted)}))
    _silence_stderr()
    while (frame := frames.read(inbox)) is not None:
        signal.alarm(math.ceil(frame.header["timeout_s"]) + _SPARE_S)
        told = answer(predictor, frame)
        signal.alarm(0)
        frames.write(outbox, told)
    accepted.runner.close()
    return 0


def versions(accepted: Accepted) -> dict[str, Any]:
    """What an answer says about its making."""
    rung = accepted.rung
    return {
        "scunext_edge": accepted.acceptance.versions["scunext-edge"],
        "bundle": accepted.bundle.id,
        "model": accepted.bundle.model,
        "form": rung.name,
        "precision": rung.precision,
        "gate": rung.gate,
        "artifact": accepted.acceptance.trial(rung.name).artifact_id,
        "engine": rung.backend,
        "engine_version": backend_module(rung.backend).offers()[0],
        "device": rung.device,
    }


def answer(predictor: Predictor, frame: Frame) -> Frame:
    """What is said about one picture; nothing that it raises ends the worker."""
    try:
        done = segment(predictor, frame.blobs[0], Asked(**frame.header["asked"]))
    except Problem as problem:
        told = {"problem": problem.kind, "detail": problem.detail, "hint": problem.hint}
        return Frame(header=told)
    except Exception as error:  # its text may hold what stands in a picture: it is not passed on
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}"
        return Frame(header={"bug": place})
    return Frame(
        header={"answer": done.fields, "has": list(done.blobs)}, blobs=[*done.blobs.values()]
    )


def _private_stdout() -> BinaryIO:
    """The pipe to the server; what engines print goes to stderr instead."""
    mine = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return mine


def _silence_stderr() -> None:
    """Decoders quote pictures in their warnings, names of patients among them."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
