"""``scunext-edge serve`` of a real bundle: its first start, a mask, an alteration, its end."""

from __future__ import annotations

import base64
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.data.images import read_mask
from scunext_edge.storage import read_json


def ready(ask, device):
    until = time.monotonic() + 60
    while (answer := ask.get(f"{device.url}/readyz")).status_code != 200:
        assert time.monotonic() < until, answer.text
        time.sleep(0.05)
    return answer.json()


def test_a_bundle_is_accepted_and_then_served(device, made, ask):
    told = ready(ask, device)["versions"]
    record = read_json(device.state / "acceptance.json")
    assert (told["form"], told["bundle"]) == (record["activated"], record["bundle_id"])
    image = next((made / "golden" / "images").iterdir())
    answer = ask.post(f"{device.url}/v1/segment", content=image.read_bytes())
    found = np.array(PillowImage.open(io.BytesIO(base64.b64decode(answer.json()["mask"]))))
    expected = read_mask(made / "golden" / "masks" / told["form"] / image.name)
    assert np.mean((found > 127) != expected) <= 2e-4
    assert f"{told['form']}: passed" in device.log.read_text()


def test_an_acceptance_that_is_void_is_noticed_and_one_that_holds_again(device, made, ask):
    ready(ask, device)
    image = next((made / "golden" / "images").iterdir()).read_bytes()
    record = device.state / "acceptance.json"
    aside = shutil.move(record, record.with_suffix(".aside"))
    try:
        while (answer := ask.get(f"{device.url}/readyz")).status_code == 200:
            time.sleep(0.05)
        assert "nothing was accepted on this device" in answer.json()["detail"]
        assert ask.post(f"{device.url}/v1/segment", content=image).status_code == 503
    finally:
        shutil.move(aside, record)
    ready(ask, device)


def test_a_killed_worker_is_replaced(device, ask, lesion):
    ready(ask, device)
    children = Path(f"/proc/{device.process.pid}/task/{device.process.pid}/children")
    if not children.exists():
        pytest.skip("this system does not tell a process's children")
    (worker,) = children.read_text().split()
    os.kill(int(worker), signal.SIGKILL)
    assert ask.post(f"{device.url}/v1/segment", content=lesion).status_code == 200


def test_what_was_altered_is_not_served(made, keys, tmp_path):
    bundle = shutil.copytree(made, tmp_path / "bundle")
    with (bundle / "model-card.md").open("a") as card:
        card.write("better than it was\n")
    done = subprocess.run(
        [sys.executable, "-m", "scunext_edge", "serve", bundle, "--key", f"{keys[0]}.pub",
         "--state", tmp_path / "state", "--port", "0"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "refused: model-card.md: was altered" in done.stdout
    assert not (tmp_path / "state").exists()


def test_a_network_without_a_token_is_code_2(made, keys, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scunext_edge", "serve", made, "--key", f"{keys[0]}.pub",
         "--state", tmp_path / "state", "--host", "0.0.0.0"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no token" in done.stderr
