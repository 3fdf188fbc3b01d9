"""The page in a folder, its modules in Node, and itself in Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from scunext_edge.pipeline.web.browser import find_chromium, open_browser
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import open_runner
from scunext_edge.web.golden import draw_golden
from scunext_edge.web.pack import write_web
from scunext_edge.weights.shipped import shipped


@pytest.fixture(scope="session")
def node():
    """Calls functions of the page's modules: a list of jobs to the list of their results."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("there is no Node; apt-get install nodejs")

    def drive(jobs):
        done = subprocess.run(
            [program, str(Path(__file__).with_name("drive.mjs"))],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return drive


@pytest.fixture(scope="session")
def artifact():
    return shipped("scunext", "native-int8")


@pytest.fixture(scope="session")
def predictor(artifact, native_library):
    runner = open_runner(artifact, "native")
    yield Predictor(runner)
    runner.close()


@pytest.fixture(scope="session")
def web(tmp_path_factory, artifact, native_library):
    """What write_web writes for a network that ships."""
    out = tmp_path_factory.mktemp("web") / "page"
    return write_web(out, artifact=artifact, golden=draw_golden(artifact))


@pytest.fixture(scope="session")
def browser():
    if find_chromium() is None:
        pytest.skip("there is no Chromium; apt-get install chromium")
    flags = ("--use-fake-device-for-media-stream", "--host-resolver-rules=MAP plain.test 127.0.0.1")
    with open_browser(flags) as opened:
        yield opened
