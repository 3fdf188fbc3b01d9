"""Calibration images are of every size, unlike any that is scored, and a manifest proves which."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.data.calibration import (
    lesion_areas,
    look_alikes,
    manifest,
    open_calibration,
    screen,
    strata,
)
from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.images import write_mask
from scunext_edge.data.source import Source
from scunext_edge.data.splits import Split, make_split, save_split
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import DataError

LESIONS = SyntheticLesions(12, seed=5)


def written(folder, samples):
    """Files ``NAME.png`` of pairs (name, sample)."""
    for name, sample in samples:
        image = folder / "images" / f"{name}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(sample.image_hwc).save(image)
        write_mask(folder / "masks" / f"{name}.png", sample.mask_hw)
    return open_dataset(folder)


def smaller(sample):
    """The same picture, saved at another size and a little brighter: a look-alike."""
    height, width = (side * 3 // 4 for side in sample.mask_hw.shape)
    picture = PillowImage.fromarray(sample.image_hwc).resize((width, height))
    mask = PillowImage.fromarray(sample.mask_hw).resize((width, height))
    brighter = np.clip(np.asarray(picture).astype(int) + 6, 0, 255).astype(np.uint8)
    pixels = np.random.default_rng(0).integers(-9, 10, brighter.shape)
    noisy = np.clip(brighter.astype(int) + pixels, 0, 255).astype(np.uint8)
    return type(sample)(id=sample.id, image_hwc=noisy, mask_hw=np.asarray(mask) > 0)


@pytest.fixture
def others(tmp_path):
    return written(tmp_path / "scored", [(f"t{i}", LESIONS[i]) for i in range(6)])


def test_images_that_look_like_no_other_stay(tmp_path, others):
    own = written(tmp_path / "own", [(f"c{i}", LESIONS[i]) for i in range(6, 12)])
    kept, screening = screen(own, {"test": others})
    assert kept.ids == own.ids
    assert screening.to_json() == {"split": None, "against": {"test": 6}, "left_out": []}


def test_a_look_alike_is_left_out_and_named(tmp_path, others):
    samples = [("c0", LESIONS[7]), ("c1", smaller(LESIONS[2]))]
    kept, screening = screen(written(tmp_path / "own", samples), {"test": others})
    assert kept.ids == ("c0",)
    assert screening.left_out == (("c1", "t2", "test"),)


def test_a_scored_image_under_another_id_is_refused(tmp_path, others):
    samples = [("c0", LESIONS[7]), ("c1", LESIONS[2])]
    with pytest.raises(DataError, match="on test images: c1 is t2"):
        screen(written(tmp_path / "own", samples), {"test": others})


def test_nothing_left_is_an_error(tmp_path, others):
    own = written(tmp_path / "own", [("c1", smaller(LESIONS[2]))])
    with pytest.raises(DataError, match="every calibration image"):
        screen(own, {"test": others})


def test_a_folder_is_screened_against_its_own_val_and_test(tmp_path):
    names = [(f"n{i:02}", LESIONS[i]) for i in range(12)]
    written(tmp_path / "data", [*names, ("n12", smaller(LESIONS[11]))])
    ids = [name for name, _ in names]
    split = Split(
        train=(*ids[:8], "n12"),
        val=tuple(ids[8:10]),
        test=tuple(ids[10:]),
        calibration=(*ids[:3], "n12"),
        source="drawn with seed 4",
    )
    save_split(tmp_path / "data" / "split.json", split)
    images, screening = open_calibration(Source(folder=str(tmp_path / "data"), part="calibration"))
    assert images.ids == tuple(ids[:3])
    assert screening.left_out == (("n12", "n11", "test"),)
    assert (screening.split, screening.against) == ("drawn with seed 4", {"val": 2, "test": 2})


def test_drawn_images_need_no_screening():
    images, screening = open_calibration(Source(count=3, seed=2, part="calibration"))
    assert (len(images), screening) == (3, None)


def test_calibration_is_spread_over_lesion_sizes():
    areas = {name: number / 100 for number, name in enumerate(SyntheticLesions(100, seed=0).ids)}
    lesions = SyntheticLesions(100, size=(32, 32))
    for seed in range(4):
        split = make_split(lesions, calibration=8, seed=seed, areas=areas)
        train = sorted(split.train, key=areas.__getitem__)
        places = sorted(train.index(name) for name in split.calibration)
        assert len(places) == 8
        assert {after - before for before, after in pairwise(places)} <= {8, 9}  # of 70
    one = make_split(lesions, calibration=8, seed=1, areas=areas)
    assert one == make_split(lesions, calibration=8, seed=1, areas=areas)


def test_areas_are_shares_of_the_frame(tmp_path):
    folder = written(tmp_path, [("a", LESIONS[0]), ("b", LESIONS[1])])
    told = []
    areas = lesion_areas(folder, progress=lambda done, of: told.append((done, of)))
    assert areas == {"a": LESIONS[0].mask_hw.mean(), "b": LESIONS[1].mask_hw.mean()}
    assert told == [(1, 2), (2, 2)]
    assert lesion_areas(LESIONS.subset(LESIONS.ids[:1])) == {LESIONS.ids[0]: areas["a"]}


def test_strata_count_lesions_and_not_healthy_skin():
    assert strata([0.0, 0.01, 0.05, 0.2, 1.0]) == {"small": 1, "medium": 1, "large": 2}


def test_a_manifest_holds_hashes_and_finds_the_same_pictures(tmp_path, others):
    own = LESIONS.subset(LESIONS.ids[4:8])
    content = manifest(own, method="minmax", screening=None)
    assert (content["count"], content["hash"], content["method"]) == (4, own.hash, "minmax")
    digest = hashlib.sha256(LESIONS[4].image_hwc.tobytes()).hexdigest()
    assert content["images"][0]["sha256"] == digest
    assert sum(content["strata"].values()) == 4
    assert look_alikes(content, others) == [(LESIONS.ids[4], "t4"), (LESIONS.ids[5], "t5")]
    assert look_alikes(content, LESIONS.subset(LESIONS.ids[8:])) == []
