"""Files in; masks, overlays and records out. One bad file does not stop the others."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.errors import StorageError
from scunext_edge.runtime.contour import overlay
from scunext_edge.runtime.predict_files import Wanted, predict_files
from scunext_edge.runtime.predictor import Predictor

KEYS = {
    "image", "status", "reason", "mask", "overlay", "width", "height", "area_fraction", "contour",
    "time_ms", "sha256", "area_px", "area_mm2", "spacing_mm", "spacing_at", "seg",
    "quality", "uncertainty", "uncertainty_mean", "uncertainty_by_area",
}  # fmt: skip


@pytest.fixture
def predictor(fake_runner):
    return Predictor(fake_runner)


@pytest.fixture
def photo(tmp_path):
    def make(name, *, height=40, width=60, bright=True):
        image = np.full((height, width, 3), 10, np.uint8)
        if bright:
            image[10:30, 20:40] = 240
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(image).save(path)
        return path

    return make


def pixels(path):
    return np.array(PillowImage.open(path))


def test_each_image_gives_a_mask_an_overlay_and_a_record(photo, predictor, tmp_path):
    path, out = photo("a.png"), tmp_path / "out"
    ticks = itertools.count(step=2_500_000)
    (record,) = predict_files([path], predictor, out, clock=lambda: next(ticks))
    assert set(record) == KEYS
    assert (record["image"], record["status"], record["reason"]) == (str(path), "ok", None)
    assert (record["width"], record["height"], record["time_ms"]) == (60, 40, 2.5)
    mask = pixels(record["mask"])
    assert mask.shape == (40, 60)
    assert set(np.unique(mask)) == {0, 255}
    assert record["area_fraction"] == (mask > 0).mean() > 0
    assert len(record["contour"]) == 1
    np.testing.assert_array_equal(pixels(record["overlay"]), overlay(pixels(path), mask > 0))
    assert sorted(it.name for it in out.iterdir()) == ["a.mask.png", "a.overlay.png"]


def test_nothing_of_an_earlier_mask_stays_beside_a_new_one(photo, predictor, tmp_path):
    out, paths = tmp_path / "out", [photo("a.png"), photo("b.png")]
    list(predict_files(paths, predictor, out))
    (out / "a.seg.dcm").write_bytes(b"of an earlier mask")
    (record,) = predict_files(paths[:1], predictor, out, wanted=Wanted(overlay=False))
    assert (record["overlay"], record["seg"]) == (None, None)
    assert sorted(it.name for it in out.iterdir()) == ["a.mask.png", "b.mask.png", "b.overlay.png"]


def test_eight_views_add_a_map_of_their_uncertainty(photo, fake_runner, tmp_path):
    get, lean = fake_runner.get, np.linspace(-3, 3, 32, dtype=np.float32)
    fake_runner.get = lambda: {"logits": get()["logits"] + lean}
    predictor = Predictor(fake_runner, views=True)
    (record,) = predict_files([photo("a.png")], predictor, tmp_path / "out")
    shades = pixels(record["uncertainty"])
    assert record["uncertainty"].endswith("a.uncertainty.png")
    assert (shades.shape, shades.dtype) == ((40, 60), np.uint8)
    assert shades.mean() / 510 == pytest.approx(record["uncertainty_mean"], abs=0.001)
    by_area = record["uncertainty_mean"] / record["area_fraction"]
    assert record["uncertainty_by_area"] == pytest.approx(by_area)


def test_an_older_map_does_not_stay_beside_the_mask_of_one_view(photo, fake_runner, tmp_path):
    paths, out = [photo("a.png"), photo("b.png")], tmp_path / "out"
    list(predict_files(paths, Predictor(fake_runner, views=True), out))
    assert (out / "a.uncertainty.png").exists()
    (record,) = predict_files(paths[:1], Predictor(fake_runner), out)
    assert record["uncertainty"] is None
    assert not (out / "a.uncertainty.png").exists()
    assert (out / "b.uncertainty.png").exists()  # of a mask that is still its own


def test_a_map_that_is_an_input_is_not_removed(photo, predictor, tmp_path):
    path = photo("a.png")
    other = photo("a.uncertainty.png")
    list(predict_files([path, other], predictor, path.parent))
    assert other.exists()


def test_a_record_survives_json(photo, predictor, tmp_path):
    (record,) = predict_files([photo("a.png")], predictor, tmp_path / "out")
    again = json.loads(json.dumps(record, allow_nan=False))
    assert [[tuple(point) for point in loop] for loop in again.pop("contour")] == record.pop(
        "contour"
    )
    assert again == record


def test_an_image_without_lesion_has_an_empty_contour(photo, predictor, tmp_path):
    (record,) = predict_files([photo("a.png", bright=False)], predictor, tmp_path / "out")
    assert (record["status"], record["area_fraction"], record["contour"]) == ("ok", 0.0, [])


def test_bad_files_are_reported_and_the_rest_is_done(photo, predictor, tmp_path):
    whole = photo("whole.jpg")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:200])
    text = tmp_path / "text.png"
    text.write_text("not an image")
    paths = [tmp_path / "absent.png", cut, text, tmp_path, whole]
    records = list(predict_files(paths, predictor, tmp_path / "out"))
    assert [it["status"] for it in records] == ["failed"] * 4 + ["ok"]
    for path, record in zip(paths[:4], records[:4], strict=True):
        assert str(path) in record["reason"]
        assert set(record) == KEYS
        assert record["mask"] is record["area_fraction"] is record["time_ms"] is None
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_an_engine_that_fails_on_one_image_is_reported(photo, predictor, fake_runner, tmp_path):
    nothing = {"logits": np.full((1, 1, 32, 32), np.nan, np.float32)}
    fake_runner.get = lambda: nothing
    (record,) = predict_files([photo("a.png")], predictor, tmp_path / "out")
    assert record["status"] == "failed"
    assert "finite" in record["reason"]


def test_inputs_of_the_same_name_do_not_overwrite_each_other(photo, predictor, tmp_path):
    paths = [photo("x/a.png"), photo("y/a.png", bright=False), photo("A.jpg"), photo("a-2.png")]
    records = list(predict_files(paths, predictor, tmp_path / "out"))
    masks = [it["mask"] for it in records]
    assert len({it.casefold() for it in masks}) == 4
    assert masks[0].endswith("/a.mask.png")
    assert (pixels(masks[1]) == 0).all()
    assert (pixels(masks[0]) != 0).any()


def test_an_input_is_never_overwritten(photo, predictor, tmp_path):
    image, odd = photo("a.png"), photo("a.mask.png", height=50)
    before = odd.read_bytes()
    records = list(predict_files([image, odd], predictor, image.parent))
    assert [it["status"] for it in records] == ["ok", "ok"]
    assert odd.read_bytes() == before


def test_records_come_one_by_one(photo, predictor, tmp_path):
    done = predict_files([photo("a.png"), photo("b.png")], predictor, tmp_path / "out")
    next(done)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_folder_that_cannot_be_written_to_stops_everything(photo, predictor, tmp_path):
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(StorageError, match="out"):
        list(predict_files([photo("a.png")], predictor, tmp_path / "out"))
