"""Servers on loopback: with workers that need no bundle, and of a bundle of the shipped weights."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.data.synthetic import draw

HERE = Path(__file__).parent
FAKE = (sys.executable, str(HERE / "fake_worker.py"))


def _load(path):
    spec = importlib.util.spec_from_file_location(f"serve_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_deploy = _load(HERE.parent / "deploy" / "conftest.py")
keys, wheels, own, native_rows = _deploy.keys, _deploy.wheels, _deploy.own, _deploy.native_rows
settings, made, write_run = _deploy.settings, _deploy.made, _deploy.write_run


def png(pixels, **options):
    stream = io.BytesIO()
    PillowImage.fromarray(pixels).save(stream, format=options.pop("format", "PNG"), **options)
    return stream.getvalue()


@pytest.fixture(scope="session")
def fake_worker():
    """How it is started; a word more, and it refuses for that reason."""
    return FAKE


@pytest.fixture(scope="session")
def encode():
    """``encode(pixels, format="PNG", ...)`` to bytes."""
    return png


@pytest.fixture(scope="session")
def picture():
    """A bright square of 20 x 10 pixels on black, as PNG; the fake engine finds it."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[4:14, 6:26] = 255
    return png(pixels)


@pytest.fixture(scope="session")
def lesion():
    return png(draw(3, 4, (300, 400))[0])


@dataclass
class Running:
    """A server, and what it logged."""

    url: str
    port: int
    service: Any
    server: Any
    thread: Any
    log: Any


@contextlib.contextmanager
def running(caplog, *, worker=FAKE, ready=True, **changes):
    """The whole server in a thread of this process, on a free port."""
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(package)
    import uvicorn

    from scunext_edge.serve.app import guarded, make_app
    from scunext_edge.serve.connections import limited
    from scunext_edge.serve.metrics import Metrics
    from scunext_edge.serve.pool import Pool
    from scunext_edge.serve.run import bound
    from scunext_edge.serve.service import Service
    from scunext_edge.serve.settings import Settings
    from scunext_edge.serve.watch import Watch

    asked = Settings(**{"state": Path("/nowhere"), "port": 0, "workers": 1, **changes})
    listening, asked = bound(asked)
    metrics = Metrics("0")
    pool = Pool(
        worker,
        size=asked.workers,
        queue=asked.queue,
        timeout_s=asked.work_timeout_s,
        on_loss=metrics.losses.inc,
    )
    service = Service(asked, metrics, pool, Watch(asked.state, served=("b", "fake")))
    config = uvicorn.Config(
        guarded(make_app(service), asked, metrics),
        http=limited(most=asked.connections, timeout_s=asked.body_timeout_s),
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=int(asked.grace_s),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    with caplog.at_level("INFO"):
        thread.start()
        try:
            _wait(lambda: server.started and (not ready or service.problem is None), thread)
            yield Running(asked.url, asked.port, service, server, thread, caplog)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def _wait(holds, thread):
    until = time.monotonic() + 60
    while not holds():
        assert thread.is_alive(), "the server has ended"
        assert time.monotonic() < until, "the server has not come up"
        time.sleep(0.01)


@pytest.fixture
def serve(caplog):
    """``with serve(queue=0) as server: ...``"""
    return lambda **changes: running(caplog, **changes)


@pytest.fixture
def ask():
    """A client without a proxy."""
    httpx = pytest.importorskip("httpx")
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def device(made, keys, tmp_path_factory):
    """``scunext-edge serve`` of a real bundle, with its first start, as a process."""
    state = tmp_path_factory.mktemp("device") / "state"
    with command(made, f"{keys[0]}.pub", state) as found:
        yield found


@dataclass
class Command:
    """A process that serves."""

    process: Any
    url: str
    state: Path
    log: Path


@contextlib.contextmanager
def command(bundle, key, state, *options):
    """The command itself; it has to end with 0 when it is told to."""
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(package)
    log = state.with_name("log.txt")
    words = [sys.executable, "-m", "scunext_edge", "serve", bundle, "--key", key, "--state", state]
    words += ["--port", "0", "--workers", "1", *options]
    with log.open("w") as told:
        process = subprocess.Popen(
            [str(word) for word in words],
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
    try:
        line = process.stdout.readline()
        assert line, log.read_text()
        yield Command(process, json.loads(line)["serving"], state, log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
