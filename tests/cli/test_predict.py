"""``predict``: masks, tables, warnings, and disks that are full."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from scunext_edge import cli
from scunext_edge.data.synthetic import draw
from scunext_edge.weights import shipped


def test_predict_writes_a_mask_an_overlay_and_a_line_of_json_each(run, tmp_path, photo, network):
    code, out, _ = run("predict", photo, "--out", "o", "--model", network.directory)
    record = json.loads(out)
    assert (code, record["status"], record["width"], record["height"]) == (0, "ok", 80, 64)
    with PillowImage.open(tmp_path / "o" / "photo.mask.png") as mask:
        assert mask.size == (80, 64)
    assert (tmp_path / "o" / "photo.overlay.png").is_file()


def test_predict_says_once_that_a_network_has_no_limits(run, tmp_path, photo, network):
    shutil.copyfile(photo, tmp_path / "second.jpg")
    card = json.loads((network.directory / "card.json").read_text())
    card["details"]["checkpoint"] = "another"
    (network.directory / "card.json").write_text(json.dumps(card))
    code, out, err = run("predict", photo, "second.jpg", "-o", "o", "--model", network.directory)
    assert [json.loads(line)["quality"] for line in out.splitlines()] == [None, None]
    assert (code, err.count("has no limits of quality")) == (0, 1)


def test_predict_says_which_masks_not_to_use_and_ends_well(run, tmp_path):
    pytest.importorskip("onnxruntime")
    image, _ = draw(3, 4, (256, 256))
    PillowImage.fromarray(image // 12).save(tmp_path / "dark.png")
    code, out, err = run("predict", "dark.png", "--out", "o")
    quality = json.loads(out)["quality"]
    assert (code, quality["usable"]) == (0, False)
    assert "too_dark" in [flag["name"] for flag in quality["flags"]]
    assert err.startswith("dark.png: do not use this mask:")
    assert "add light" in err
    assert (tmp_path / "o" / "dark.mask.png").is_file()


def test_predict_refuses_limits_of_another_network(run, photo, network, said):
    limits = Path(shipped.__file__).parent / "unext" / "quality.json"
    code, out, err = run(
        "predict", photo, "--out", "o", "--model", network.directory, "--limits", limits
    )
    assert (code, out) == (2, "")
    assert "is about unext of checkpoint" in said(err)


def test_predict_does_what_can_be_done_and_ends_with_1(run, tmp_path, photo, network):
    content = photo.read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.png").write_text("no picture")
    names = ["cut.jpg", "nothing.jpg", "text.png", "photo.jpg"]
    code, out, _ = run("predict", *names, "--out", "o", "--model", network.directory)
    found = {record["image"]: record for record in map(json.loads, out.splitlines())}
    assert code == 1
    assert [found[name]["status"] for name in names] == ["failed", "failed", "failed", "ok"]
    assert "cut.jpg cannot be read" in found["cut.jpg"]["reason"]
    assert "nothing.jpg does not exist" in found["nothing.jpg"]["reason"]
    assert "no image that can be read" in found["text.png"]["reason"]
    written = sorted(path.name for path in (tmp_path / "o").iterdir())
    assert written == ["photo.mask.png", "photo.overlay.png"]


def test_predict_of_a_folder_makes_a_table_and_goes_on(run, tmp_path, pictures, network):
    parquet = pytest.importorskip("pyarrow.parquet")
    arguments = ("predict", pictures / "images", "--out", "o", "--model", network.directory)
    command = (*arguments, "--backend", "fake", "--workers", "1")
    code, out, err = run(*command)
    assert (code, "6/6" in err) == (0, True)
    assert json.loads(out) == {
        "images": 6,
        "kept": 0,
        "failed": 0,
        "table": str(tmp_path / "o" / "predictions.parquet"),
    }
    assert parquet.read_table(tmp_path / "o" / "predictions.parquet").num_rows == 6
    (pictures / "images" / "cut.png").write_bytes(b"no picture")
    code, out, err = run(*command)
    assert (code, json.loads(out)["kept"], json.loads(out)["failed"]) == (1, 6, 1)
    assert "6 of 7 pictures were done before and are kept" in err


def test_an_interrupted_predict_says_how_to_go_on(run, pictures, network, monkeypatch):
    pytest.importorskip("pyarrow")

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("scunext_edge.pipeline.folders.run.run_local", interrupted)
    code, _, err = run("predict", pictures / "images", "-o", "o", "-m", network.directory)
    assert code == cli.INTERRUPTED
    assert "the same command goes on where this one stopped" in err


def test_predict_refuses_a_segment_without_a_code(run, photo, network, said):
    code, out, err = run("predict", photo, "-o", "o", "-m", network.directory, "--seg", "liver")
    assert (code, out) == (2, "")
    assert "choose one of: lesion, lung" in said(err)


def test_a_folder_that_takes_no_files_is_code_4(run, tmp_path, photo, network, pictures):
    (tmp_path / "file").touch()
    for command in (
        ["predict", photo, "--out", "file/o", "--model", network.directory],
        ["bench", "unet", "--out", "file/o"],
        ["data", "split", pictures, "--calibration", "1", "--out", "file/split.json"],
        ["evaluate", network.directory, "-d", pictures, "-b", "fake", "--part", "all",
         "--out", "file/a.json"],
    ):  # fmt: skip
        code, out, err = run(*command)
        assert (code, out) == (4, "")
        assert "cannot write file" in err.splitlines()[-2]
        assert "hint:  choose a folder that can be written to" in err


def test_a_full_disk_is_code_4_and_leaves_nothing(run, tmp_path, photo, network, monkeypatch, said):
    def full(self, path, **options):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PillowImage.Image, "save", full)
        code, out, err = run("predict", photo, "--out", "o", "--model", network.directory)
    assert (code, out) == (4, "")
    assert "No space left on device" in said(err)
    assert list((tmp_path / "o").iterdir()) == []


def test_predict_takes_a_threshold_and_eight_views(run, tmp_path, photo, network, said):
    arguments = ("predict", photo, "--out", "o", "--model", network.directory)
    areas = []
    for threshold in ("0.05", "0.95"):
        code, out, _ = run(*arguments, "--threshold", threshold)
        areas.append(json.loads(out)["area_px"])
        assert (code, json.loads(out)["uncertainty"]) == (0, None)
    assert areas[0] > areas[1]
    code, out, _ = run(*arguments, "--tta")
    record = json.loads(out)
    assert (code, record["uncertainty"]) == (0, "o/photo.uncertainty.png")
    assert 0 < record["uncertainty_mean"] < 0.5
    assert (tmp_path / "o" / "photo.uncertainty.png").is_file()
    code, out, err = run(*arguments, "--threshold", "1.5")
    assert (code, out) == (2, "")
    assert "a threshold of 1.5" in said(err)
