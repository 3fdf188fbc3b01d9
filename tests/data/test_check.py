from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from scunext_edge.data import duplicates
from scunext_edge.data.check import check, near_duplicates, near_duplicates_between
from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.splits import find_split
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import DataError


def kinds(findings):
    return [(finding.kind, finding.ids) for finding in findings]


@pytest.fixture
def lesions(tmp_path):
    """Six unlike lesions as images/ + masks/, whole frames of 4:3."""
    root = tmp_path / "lesions"
    for half in ("images", "masks"):
        (root / half).mkdir(parents=True)
    for sample in SyntheticLesions(6, seed=2, size=(192, 256)):
        Image.fromarray(sample.image_hwc).save(root / "images" / f"{sample.id}.png")
        Image.fromarray(sample.mask_hw).convert("L").save(root / "masks" / f"{sample.id}.png")
    return root


def add_copy(root, name, image):
    image.save(root / "images" / name)
    stem = name.split(".")[0]
    Image.new("L", image.size, 255).save(root / "masks" / f"{stem}.png")


def first(root):
    with Image.open(root / "images" / "synthetic_000000.png") as image:
        return image.copy()


def recompressed(image):
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=30)
    return Image.open(stream)


def recoloured(image):
    return ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(0.4)).enhance(1.3)


def shifted(image):
    return image.transform(image.size, Image.Transform.AFFINE, (1, 0, 2, 0, 1, 1))


def smaller(image):
    return image.resize((120, 90))


def test_a_sound_folder_has_no_findings(lesions):
    assert check(lesions) == []


def test_every_kind_of_defect_is_found_and_named(folder, blob, picture):
    images, masks = folder / "images", folder / "masks"
    (masks / "a.png").unlink()
    Image.fromarray(blob(20, 30)).convert("L").save(masks / "b.png")
    images.joinpath("c.png").write_bytes(images.joinpath("c.png").read_bytes()[:-60])
    odd = np.where(blob(), np.uint8(254), np.uint8(0))
    odd[0, :3] = 7
    Image.fromarray(odd).save(masks / "d.png")
    Image.fromarray(picture(8)).save(images / "e.png")
    Image.new("L", (32, 24)).save(masks / "e.png")
    Image.new("L", (32, 24)).save(masks / "f.png")
    (folder / "manifest.csv").write_text("name,split\na,train\nq,test\n")
    findings = check(folder)
    assert sorted(kinds(findings)) == [
        ("empty mask", ("e",)),
        ("mask values", ("d",)),
        ("missing image", ("f",)),
        ("missing mask", ("a",)),
        ("not in folder", ("q",)),
        ("unreadable", ("c",)),
        ("wrong size", ("b",)),
    ]
    said = {finding.kind: finding.message for finding in findings}
    assert "c.png" in said["unreadable"]
    assert said["wrong size"] == "b.png is 30 x 20, its image 32 x 24"
    assert f"{np.count_nonzero(odd)} of {odd.size} pixels" in said["mask values"]


def test_an_unreadable_mask_is_found(folder):
    (folder / "masks" / "a.png").write_bytes(b"")
    assert kinds(check(folder)) == [("unreadable", ("a",))]


def test_nothing_to_check_is_an_error(tmp_path):
    with pytest.raises(DataError, match="holds no images"):
        check(tmp_path)


def test_progress_is_told_image_by_image(folder):
    told = []
    check(folder, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("change", [recompressed, recoloured, shifted, smaller])
def test_a_changed_copy_is_found_and_nothing_else(lesions, change):
    add_copy(lesions, "copy.png", change(first(lesions)))
    pairs = near_duplicates(open_dataset(lesions))
    assert [pair[:2] for pair in pairs] == [("copy", "synthetic_000000")]
    assert 0.92 < pairs[0][2] <= 1
    assert kinds(check(lesions)) == [("near duplicate", ("copy", "synthetic_000000"))]


def test_a_copy_on_the_other_side_of_the_split_is_told_apart(lesions):
    add_copy(lesions, "copy.png", first(lesions))
    add_copy(lesions, "again.png", first(lesions))
    rows = "copy,test\nsynthetic_000000,train\nagain,train\n"
    (lesions / "manifest.csv").write_text(f"name,split\n{rows}")
    assert sorted(kinds(check(lesions))) == [
        ("duplicate across split", ("again", "copy")),
        ("duplicate across split", ("copy", "synthetic_000000")),
        ("near duplicate", ("again", "synthetic_000000")),
    ]


def test_pairs_are_found_once_however_the_set_is_cut_into_blocks(lesions, monkeypatch):
    add_copy(lesions, "copy.png", first(lesions))
    add_copy(lesions, "z.png", first(lesions))
    whole = near_duplicates(open_dataset(lesions))
    assert len(whole) == 3
    monkeypatch.setattr(duplicates, "_BLOCK", 2)
    assert near_duplicates(open_dataset(lesions)) == whole


def test_many_synthetic_lesions_are_all_different():
    assert near_duplicates(SyntheticLesions(60, size=(96, 128))) == []


def test_pictures_without_any_structure_are_no_duplicates(folder):
    for name in ("g", "h"):
        add_copy(folder, f"{name}.png", Image.new("RGB", (32, 24), (90, 80, 70)))
    assert near_duplicates(open_dataset(folder)) == []


@pytest.mark.parametrize("swap", [False, True])
def test_a_square_crop_is_found_in_another_set_of_squashed_frames(lesions, tmp_path, swap):
    crops, squashed = tmp_path / "crops", tmp_path / "squashed"
    for root in (crops, squashed):
        for half in ("images", "masks"):
            (root / half).mkdir(parents=True)
    names = open_dataset(lesions).ids
    for name in names:
        with Image.open(lesions / "images" / f"{name}.png") as image:
            if name != names[5]:
                add_copy(crops, f"{name}.png", image.crop((32, 0, 224, 192)))
            if name != names[4]:
                add_copy(squashed, f"{name}.png", image.resize((192, 192)))
    one, other = open_dataset(crops), open_dataset(squashed)
    pairs = near_duplicates_between(*((other, one) if swap else (one, other)))
    assert sorted(pair[:2] for pair in pairs) == [(name, name) for name in names[:4]]


def test_the_listed_pairs_of_isic2018_are_found_and_few_others(real):
    """Only the images that the list or a first look at the set made suspicious, to be quick."""
    with (real / "near_duplicates.csv").open(newline="") as stream:
        listed = {
            (row["a"], row["b"]) for row in csv.DictReader(stream) if row["set"] == "isic2018"
        }
    whole = open_dataset(real / "isic2018")
    some = whole.subset(sorted({name for pair in listed for name in pair} | set(whole.ids[::12])))
    found = {pair[:2] for pair in near_duplicates(some)}
    assert listed <= found
    assert len(found - listed) <= 3
    split = find_split(real / "isic2018")
    side = {name: part for part in ("train", "val", "test") for name in getattr(split, part)}
    assert sum(side[a] != side[b] for a, b in listed) == 7
