from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from scunext_edge.data.datasets import open_dataset
from scunext_edge.errors import DataError


def put(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).convert("L" if array.ndim == 2 else "RGB").save(path)


def test_samples_come_in_the_order_of_their_sorted_ids(folder, picture, blob):
    dataset = open_dataset(folder)
    assert (dataset.name, len(dataset), dataset.ids) == ("four", 4, ("a", "b", "c", "d"))
    sample = dataset[2]
    assert sample.id == "c"
    np.testing.assert_array_equal(sample.image_hwc, picture(2))
    np.testing.assert_array_equal(sample.mask_hw, blob())
    assert [sample.id for sample in dataset] == list("abcd")


def test_pairs_are_found_without_reading_them(folder):
    (folder / "images" / "b.png").write_bytes(b"not an image")
    dataset = open_dataset(folder)
    assert dataset[0].id == "a"
    with pytest.raises(DataError, match=r"b\.png"):
        dataset[1]


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".bmp", ".tif"])
def test_images_and_masks_match_by_stem_whatever_the_suffix(tmp_path, picture, blob, suffix):
    put(tmp_path / "images" / f"x{suffix}", picture(0))
    put(tmp_path / "masks" / "x.png", blob())
    (tmp_path / "images" / "notes.txt").write_text("skip me")
    (tmp_path / "images" / "._x.jpg").write_bytes(b"left by a file manager")
    dataset = open_dataset(tmp_path)
    assert dataset.ids == ("x",)
    assert dataset.paths("x") == (tmp_path / "images" / f"x{suffix}", tmp_path / "masks" / "x.png")


def test_isic_naming_in_one_folder(tmp_path, picture, blob):
    put(tmp_path / "ISIC_0000001.jpg", picture(0))
    put(tmp_path / "ISIC_0000001_segmentation.png", blob())
    put(tmp_path / "ISIC_0000001_superpixels.png", picture(1))
    dataset = open_dataset(tmp_path)
    assert dataset.ids == ("ISIC_0000001",)
    assert dataset[0].mask_hw.sum() == blob().sum()


SIBLINGS = [
    ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
    ("ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"),
]


@pytest.mark.parametrize(("inputs", "truth"), SIBLINGS)
def test_isic_naming_in_sibling_folders_from_above_and_from_within(
    tmp_path, picture, blob, inputs, truth
):
    put(tmp_path / inputs / "ISIC_1.jpg", picture(0))
    put(tmp_path / inputs / "ISIC_1_superpixels.png", picture(1))
    put(tmp_path / truth / "ISIC_1_segmentation.png", blob())
    put(tmp_path / "ISIC2018_Task2_x" / "ISIC_1_attribute_globules.png", blob())
    for path in (tmp_path, tmp_path / inputs):
        dataset = open_dataset(path)
        assert dataset.ids == ("ISIC_1",)
        assert dataset.paths("ISIC_1")[1].name == "ISIC_1_segmentation.png"


def test_gray_xrays_with_their_own_mask_naming_become_rgb(tmp_path, blob):
    gray = np.random.default_rng(0).integers(0, 256, (24, 32), dtype=np.uint8)
    put(tmp_path / "images" / "CHNCXR_1.png", gray)
    put(tmp_path / "masks" / "CHNCXR_1_mask.png", blob())
    sample = open_dataset(tmp_path)[0]
    assert sample.image_hwc.shape == (24, 32, 3)
    np.testing.assert_array_equal(sample.image_hwc[:, :, 2], gray)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(DataError, match="is a file"):
        open_dataset(tmp_path / "f")


def test_an_empty_folder_is_an_error_with_a_hint(tmp_path):
    with pytest.raises(DataError, match="holds no images") as caught:
        open_dataset(tmp_path)
    assert "masks/" in caught.value.hint


def test_images_without_masks_are_named_five_at_most_then_counted(folder, picture):
    for number in range(7):
        put(folder / "images" / f"x{number}.png", picture(number))
    with pytest.raises(DataError, match=r"without masks: x0, x1, x2, x3, x4 and 2 more"):
        open_dataset(folder)


def test_masks_without_images_do_no_harm(folder, blob):
    put(folder / "masks" / "z.png", blob())
    assert open_dataset(folder).ids == ("a", "b", "c", "d")


def test_two_images_of_one_name_are_an_error(folder, picture):
    put(folder / "images" / "a.bmp", picture(9))
    with pytest.raises(DataError, match="two files for a"):
        open_dataset(folder)


def test_a_mask_of_another_size_is_an_error_on_reading(folder, blob):
    put(folder / "masks" / "b.png", blob(20, 30))
    dataset = open_dataset(folder)
    with pytest.raises(DataError, match=r"b\.png is 30 x 20, its image 32 x 24"):
        dataset[1]


def test_a_subset_is_sorted_and_knows_its_files(folder):
    dataset = open_dataset(folder)
    part = dataset.subset(["d", "a"])
    assert part.ids == ("a", "d")
    assert part.paths("d") == dataset.paths("d")
    assert part[1].id == "d"


def test_a_subset_of_what_is_not_there_is_an_error(folder):
    with pytest.raises(DataError, match="no image called y, z"):
        open_dataset(folder).subset(["a", "z", "y"])


def test_the_hash_follows_every_byte_and_id_and_nothing_else(folder, tmp_path):
    first = open_dataset(folder).hash
    assert len(first) == 16
    assert open_dataset(folder.rename(tmp_path / "moved")).hash == first
    moved = tmp_path / "moved"

    (moved / "masks" / "c.png").write_bytes((moved / "masks" / "c.png").read_bytes() + b"x")
    changed = open_dataset(moved).hash
    for half in ("images", "masks"):
        (moved / half / "a.png").rename(moved / half / "e.png")
    assert len({first, changed, open_dataset(moved).hash}) == 3


def test_the_hash_of_a_subset_is_that_of_the_same_files_alone(folder):
    whole = open_dataset(folder)
    part = whole.subset(["a", "b"])
    assert part.hash != whole.hash
    for half in ("images", "masks"):
        for name in "cd":
            (folder / half / f"{name}.png").unlink()
    assert open_dataset(folder).hash == part.hash


def test_real_data_sets_open(real):
    sizes = {name: len(open_dataset(real / name)) for name in ("isic2018", "isic2017", "lungs")}
    assert sizes == {"isic2018": 2594, "isic2017": 2150, "lungs": 704}
    xray = open_dataset(real / "lungs")[0]
    assert xray.image_hwc.shape == (512, 512, 3)
    assert 0.1 < xray.mask_hw.mean() < 0.5
