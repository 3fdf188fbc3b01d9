"""A folder of small pictures and a job on the engine that only compares with a threshold."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.pipeline.folders.job import Job
from scunext_edge.weights import shipped


@pytest.fixture
def folder(tmp_path):
    """Six pictures in three folders, two of them of the same name."""
    for number, name in enumerate(("a/x.png", "b/x.png", "b/x.jpg", "b/c/y.png", "z.png", "w.bmp")):
        image = np.full((40, 60, 3), 10, np.uint8)
        image[10:30, 10 : 20 + 5 * number] = 240
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(image).save(path)
    return tmp_path / "in"


@pytest.fixture
def job(tmp_path):
    if not shipped.names():
        pytest.skip("no network ships with this checkout")
    return Job(model=shipped.names()[0], backend="fake", out=str(tmp_path / "out"))


@pytest.fixture
def pipe():
    """``with pipe(path): ...``: a picture that its reader gets after it was killed once.

    ``path`` becomes a pipe; once a process has begun to read it, the true picture is put in its
    place and that process is killed.
    """
    if not hasattr(os, "mkfifo") or not Path("/proc/self/fd").is_dir():
        pytest.skip("needs pipes with names and /proc")
    threads = []

    def make(path):
        whole = path.with_suffix(".whole")
        path.rename(whole)
        os.mkfifo(path)
        assert stat.S_ISFIFO(path.stat().st_mode)
        threads.append(threading.Thread(target=_kill_reader, args=(path, whole), daemon=True))
        threads[-1].start()

    yield make
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def _kill_reader(path, whole):
    writer = os.open(path, os.O_WRONLY)  # waits for a reader
    reader = _reader_of(path)
    whole.rename(path)
    os.kill(reader, signal.SIGKILL)
    os.close(writer)


def _reader_of(path):
    while True:
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            pid = int(link.parts[2])
            try:
                if pid != os.getpid() and link.readlink() == path:
                    return pid
            except OSError:
                continue
        time.sleep(0.01)
