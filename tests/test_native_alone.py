"""The base installation: no torch, no ONNX Runtime, and the native engine does the work."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.data.synthetic import draw
from scunext_edge.errors import BackendMissing
from scunext_edge.kernels import native

# Whatever an extra brings
ABSENT = (
    *("torch", "lightning_fabric", "safetensors", "onnx", "onnxruntime", "onnxscript", "openvino"),
    *(
        "nncf",
        "tensorrt",
        "fvcore",
        "thop",
        "matplotlib",
        "jinja2",
        "pooch",
        "MNN",
        "monai",
        "scipy",
    ),
)


@pytest.fixture(autouse=True)
def built():
    """Children look for the library where it is installed."""
    try:
        native.find_library()
    except BackendMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def run(tmp_path):
    """``run("predict", ...)`` as after `pip install scunext-edge`."""
    image, _ = draw(0, 3, (200, 300))
    PillowImage.fromarray(image).save(tmp_path / "a.png")

    def call(*arguments):
        script = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT!r}))
from scunext_edge import cli
sys.argv = ["scunext-edge", *{arguments!r}]
cli.main()
"""
        return subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        )

    return call


def mask(path):
    with PillowImage.open(path) as opened:
        return np.asarray(opened) > 0


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("network", ["scunext", "unext"])
def test_predict_draws_a_mask_on_every_instruction_set(run, tmp_path, network, precision):
    found = []
    for device in ("cpu", "cpu-scalar"):
        arguments = ("predict", "a.png", "--out", device, "--model", network, "--backend", "native")
        done = run(*arguments, "--precision", precision, "--device", device)
        assert done.returncode == 0
        # A picture that is drawn may be no skin; nothing else is said.
        assert all("do not use this mask" in line for line in done.stderr.splitlines())
        assert json.loads(done.stdout)["status"] == "ok"
        found.append(mask(tmp_path / device / "a.mask.png"))
    assert 0.01 < found[0].mean() < 0.99
    if precision == "int8":
        np.testing.assert_array_equal(*found)
    assert (found[0] == found[1]).mean() > 0.999


def test_an_instruction_set_that_is_not_here_is_code_3_with_those_that_are(run, tmp_path):
    arguments = ("predict", "a.png", "--out", "o", "--backend", "native", "--precision", "int8")
    done = run(*arguments, "--model", "unext", "--device", "cpu-sse9")
    assert (done.returncode, done.stdout) == (3, "")
    assert "cannot run on 'cpu-sse9' here" in done.stderr
    assert "cpu-scalar" in done.stderr
    assert not (tmp_path / "o").exists()


def test_doctor_shows_the_set_that_was_chosen_and_how_to_force_another(run):
    done = run("doctor")
    best, *others = native.instruction_sets()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"native uses what cpu-{best} does" in " ".join(done.stdout.split())
    assert all(f"cpu-{isa}" in done.stdout for isa in others)
    (engine,) = (
        it for it in json.loads(run("doctor", "--json").stdout)["engines"] if it["name"] == "native"
    )
    assert (engine["available"], engine["version"]) == (True, native.version())
    assert engine["devices"] == ["cpu", *(f"cpu-{isa}" for isa in (best, *others))]
