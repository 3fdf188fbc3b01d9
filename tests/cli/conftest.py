"""Commands in this process, and something to give them."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge import artifacts, cli
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.weights import shipped


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """``run("predict", ...)``: the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["scunext-edge", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


@pytest.fixture
def pictures(tmp_path):
    """Six drawn lesions with their masks, small."""
    folder = tmp_path / "pictures"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for sample in SyntheticLesions(6, seed=3, size=(64, 80)):
        PillowImage.fromarray(sample.image_hwc).save(folder / "images" / f"{sample.id}.png")
        mask = PillowImage.fromarray(sample.mask_hw.astype(np.uint8) * 255)
        mask.save(folder / "masks" / f"{sample.id}.png")
    return folder


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    PillowImage.fromarray(SyntheticLesions(1, size=(64, 80))[0].image_hwc).save(path)
    return path


@pytest.fixture
def network(tmp_path):
    """A copy of a shipped network's ONNX, to do harm to."""
    pytest.importorskip("onnxruntime")
    if not shipped.names():
        pytest.skip("no network ships with this checkout")
    name = shipped.names()[0]
    folder = shutil.copytree(shipped.shipped(name, "onnx-fp32").directory, tmp_path / "network")
    return artifacts.load(folder)


@pytest.fixture(scope="session")
def said():
    """``said(err)``: the error and the hint, and nothing beside them."""
    return _said


def _said(err):
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) in {1, 2}, err
    assert lines[0].startswith("error: ")
    assert len(lines) == 1 or lines[1].startswith("hint:  ")
    return err
