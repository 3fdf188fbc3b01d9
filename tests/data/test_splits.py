from __future__ import annotations

import json

import pytest

from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.splits import (
    PARTS,
    Split,
    draw_subset,
    find_groups,
    find_split,
    leave_out,
    load_split,
    make_folds,
    make_split,
    part,
    save_split,
)
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import ArtifactError, ConfigError, DataError

HUNDRED = SyntheticLesions(100, size=(32, 32))


def sizes(split):
    return [len(getattr(split, part)) for part in PARTS]


def split_of(**parts):
    empty = dict.fromkeys(PARTS, ())
    return Split(**(empty | parts), source="by hand")


def test_a_split_has_the_asked_sizes_and_covers_every_image_once():
    split = make_split(HUNDRED, val=0.1, test=0.2, calibration=16)
    assert sizes(split) == [70, 10, 20, 16]
    assert sorted(split.train + split.val + split.test) == list(HUNDRED.ids)


def test_calibration_comes_from_train_only():
    split = make_split(HUNDRED, calibration=1000)
    assert split.calibration == split.train
    assert set(make_split(HUNDRED, calibration=9).calibration) < set(split.train)


def test_the_same_seed_gives_the_same_split_and_another_another():
    assert make_split(HUNDRED, seed=3) == make_split(HUNDRED, seed=3)
    assert make_split(HUNDRED, seed=3).hash != make_split(HUNDRED, seed=4).hash


def test_a_split_is_the_same_in_every_release():
    split = make_split(SyntheticLesions(10, size=(32, 32)), calibration=2)
    assert split.test == ("synthetic_000002", "synthetic_000004")
    assert split.hash == "da366ecda7fe6c16"


def test_groups_stay_on_one_side_even_by_way_of_a_third():
    ids = HUNDRED.ids
    together = [(ids[i], ids[i + 50]) for i in range(50)] + [(ids[0], ids[1]), (ids[1], ids[2])]
    for seed in range(5):
        split = make_split(HUNDRED, seed=seed, keep_together=together)
        side = {name: p for p in ("train", "val", "test") for name in getattr(split, p)}
        assert all(side[a] == side[b] for a, b in together)
        assert len(split.test) == 20


def test_a_group_may_name_images_that_are_not_there():
    split = make_split(HUNDRED, keep_together=[("elsewhere", HUNDRED.ids[0])])
    assert sum(sizes(split)[:3]) == 100


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.2), (0.1, -0.2)])
def test_shares_that_leave_no_training_are_refused(shares):
    with pytest.raises(ConfigError, match="leaves nothing to train"):
        make_split(HUNDRED, val=shares[0], test=shares[1])


def test_an_image_in_two_parts_is_an_error():
    with pytest.raises(DataError, match="in two places: b"):
        split_of(train=("a", "b"), test=("b",))


def test_an_image_twice_in_one_part_is_an_error():
    with pytest.raises(DataError, match="in two places: a"):
        split_of(train=("a", "a"))


def test_calibration_outside_train_is_an_error():
    with pytest.raises(DataError, match="outside train"):
        split_of(train=("a",), test=("t",), calibration=("t",))


def test_a_saved_split_comes_back_and_keeps_its_hash(tmp_path):
    split = make_split(HUNDRED)
    save_split(tmp_path / "split.json", split)
    assert load_split(tmp_path / "split.json") == split
    assert find_split(tmp_path) == split


def test_an_altered_split_is_an_error(tmp_path):
    path = tmp_path / "split.json"
    save_split(path, make_split(HUNDRED))
    content = json.loads(path.read_text())
    content["train"].append(content["test"].pop())
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="was altered") as caught:
        find_split(tmp_path)
    assert "data split" in caught.value.hint


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"schema": 99}', '{"schema": 1}', '{"schema": 1, "train": 5}']
)
def test_what_is_no_split_is_an_error(tmp_path, content):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"split\.json"):
        load_split(tmp_path / "split.json")


def test_a_manifest_with_a_split_column_is_used(tmp_path):
    rows = [f"im{i},{p},x" for i, p in enumerate(["train", "Validation", " test", "train"])]
    text = "\n".join(["name,split,note", *rows])
    (tmp_path / "manifest.csv").write_text("\ufeff" + text, encoding="utf-8")
    split = find_split(tmp_path)
    assert (split.train, split.val, split.test) == (("im0", "im3"), ("im1",), ("im2",))
    assert split.calibration == ("im0", "im3")
    assert "manifest.csv" in split.source


def test_a_manifest_may_name_image_files(tmp_path):
    (tmp_path / "manifest.csv").write_text("image,split\nimages/a.jpg,train\n")
    assert find_split(tmp_path).train == ("a",)


def test_calibration_from_a_manifest_is_128_of_train_for_ever(tmp_path):
    rows = "\n".join(f"im{i},train" for i in range(300))
    (tmp_path / "manifest.csv").write_text(f"id,split\n{rows}\n")
    split = find_split(tmp_path)
    assert len(split.calibration) == 128
    assert split.calibration == find_split(tmp_path).calibration
    assert split.hash == "dca23c051a38f730"


@pytest.mark.parametrize(
    "text", ["", "name,part\na,train\n", "file,split\na,train\n", "name;split\na;test"]
)
def test_a_manifest_without_usable_columns_says_what_it_has(tmp_path, text):
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(DataError, match="no usable columns") as caught:
        find_split(tmp_path)
    assert "'split'" in caught.value.hint


def test_a_manifest_with_an_unknown_part_names_the_line(tmp_path):
    (tmp_path / "manifest.csv").write_text("name,split\na,train\nb,holdout\n")
    with pytest.raises(DataError, match="line 3: name 'b' with split 'holdout'"):
        find_split(tmp_path)


def test_a_stored_split_goes_before_a_manifest(tmp_path):
    (tmp_path / "manifest.csv").write_text("name,split\na,train\n")
    save_split(tmp_path / "split.json", make_split(HUNDRED))
    assert len(find_split(tmp_path).train) == 70


def test_a_folder_without_either_has_no_split(tmp_path):
    assert find_split(tmp_path) is None


def test_a_part_is_a_data_set_of_its_own(folder):
    dataset = open_dataset(folder)
    split = split_of(train=("b", "d"), test=("a",), calibration=("d",))
    assert part(dataset, split, "train").ids == ("b", "d")
    assert part(dataset, split, "calibration").ids == ("d",)
    assert part(dataset, split, "all").ids == ("a", "b", "c", "d")
    assert part(dataset, None, "all") is dataset


def test_a_part_without_a_split_is_an_error_with_the_command(folder):
    with pytest.raises(ConfigError, match="has no split") as caught:
        part(open_dataset(folder), None, "test")
    assert "scunext-edge data split" in caught.value.hint


def test_a_part_that_is_empty_or_unknown_is_an_error(folder):
    dataset, split = open_dataset(folder), split_of(train=("a",))
    with pytest.raises(ConfigError, match="no val images") as caught:
        part(dataset, split, "val")
    assert "train" in caught.value.hint
    with pytest.raises(ConfigError, match="no part called 'tets'"):
        part(dataset, split, "tets")


def test_a_split_of_another_data_set_is_an_error(folder):
    with pytest.raises(DataError, match="no image called z"):
        part(open_dataset(folder), split_of(train=("a", "z")), "train")


def test_real_manifests_are_read(real):
    splits = {name: find_split(real / name) for name in ("isic2018", "isic2017", "lungs")}
    assert sizes(splits["isic2018"]) == [1944, 121, 529, 128]
    assert sizes(splits["isic2017"]) == [2000, 150, 0, 128]
    assert sizes(splits["lungs"]) == [493, 70, 141, 128]


def test_folds_test_every_image_once_and_never_train_on_it():
    folds = make_folds(HUNDRED, folds=5, val=0.05, seed=1)
    assert sorted(name for fold in folds for name in fold.test) == list(HUNDRED.ids)
    assert [sizes(fold) for fold in folds] == [[75, 5, 20, 0]] * 5
    for fold in folds:
        assert sorted(fold.train + fold.val + fold.test) == list(HUNDRED.ids)


def test_folds_keep_groups_together():
    ids = HUNDRED.ids
    groups = [ids[start : start + 7] for start in range(0, 98, 7)]
    for fold in make_folds(HUNDRED, folds=4, keep_together=groups):
        for part_of_it in (fold.train, fold.val, fold.test):
            assert all(len({*group} & {*part_of_it}) in (0, 7) for group in groups)


def test_folds_follow_from_their_seed():
    one, again = (make_folds(HUNDRED, folds=3, seed=4) for _ in range(2))
    assert [fold.hash for fold in one] == [fold.hash for fold in again]
    assert one[0].hash != make_folds(HUNDRED, folds=3, seed=5)[0].hash


@pytest.mark.parametrize("settings", [{"folds": 1}, {"folds": 101}, {"folds": 2, "val": 0.5}])
def test_folds_that_cannot_be_are_an_error(settings):
    with pytest.raises(ConfigError):
        make_folds(HUNDRED, **settings)


def test_a_subset_grows_without_changing_what_it_had():
    small, large = draw_subset(HUNDRED, 10, seed=2), draw_subset(HUNDRED, 20, seed=2)
    assert len(small) == 10
    assert {*small.ids} < {*large.ids}
    with pytest.raises(ConfigError, match="not 101"):
        draw_subset(HUNDRED, 101)


# 30 of one hospital, 70 of another.
HOSPITALS = {name: "small" if at % 10 < 3 else "large" for at, name in enumerate(HUNDRED.ids)}


def of(hospital, names):
    return sum(HOSPITALS[name] == hospital for name in names)


def test_every_fold_tests_its_share_of_each_group():
    folds = make_folds(HUNDRED, folds=5, seed=1, groups=HOSPITALS)
    assert [(of("small", fold.test), of("large", fold.test)) for fold in folds] == [(6, 14)] * 5
    drawn = make_folds(HUNDRED, folds=5, seed=1)
    assert {of("small", fold.test) for fold in drawn} != {6}


@pytest.mark.parametrize(("left", "other"), [("small", "large"), ("large", "small")])
def test_a_group_that_is_left_out_is_all_that_is_tested_and_nothing_that_is_trained_on(left, other):
    split = leave_out(HUNDRED, HOSPITALS, left, val=0.1)
    assert of(left, split.test) == len(split.test) == of(left, HUNDRED.ids)
    assert of(left, split.train + split.val) == 0
    assert len(split.val) == of(other, HUNDRED.ids) // 10
    assert sorted(split.train + split.val + split.test) == list(HUNDRED.ids)


def test_what_looks_like_an_image_of_the_group_left_out_is_not_trained_on():
    small, large = HUNDRED.ids[0], HUNDRED.ids[5]
    assert (HOSPITALS[small], HOSPITALS[large]) == ("small", "large")
    split = leave_out(HUNDRED, HOSPITALS, "small", keep_together=[(small, large)])
    assert small in split.test
    assert large not in split.train + split.val + split.test
    assert len(split.train + split.val) == 69


def test_a_group_left_out_with_nothing_to_choose_by_is_an_error():
    with pytest.raises(ConfigError, match="validation share"):
        leave_out(HUNDRED, HOSPITALS, "small", val=0.0)


def test_a_column_of_the_manifest_says_what_images_belong_to(folder):
    (folder / "manifest.csv").write_text("image,origin\nimages/a.jpg,x\nb,x\nc, y\nd,y\n")
    groups = find_groups(open_dataset(folder), folder, "origin")
    assert groups == {"a": "x", "b": "x", "c": "y", "d": "y"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "has no manifest.csv, so nobody knows the 'origin'"),
        ("name,split\na,train\n", "no usable columns; it has: name, split"),
        ("name,origin\na,x\nb,x\nc,\n", "does not say the 'origin' of c, d"),
    ],
)
def test_a_data_set_without_that_column_is_refused_in_words(folder, text, said):
    if text is not None:
        (folder / "manifest.csv").write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        find_groups(open_dataset(folder), folder, "origin")
    assert "column" in caught.value.hint or "'origin'" in caught.value.hint
