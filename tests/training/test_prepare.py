from __future__ import annotations

import pytest

from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.splits import find_split
from scunext_edge.errors import ConfigError, DataError
from scunext_edge.training.prepare import prepare


def test_parts_are_packed_in_the_order_of_their_ids(folder):
    found = prepare(folder(train=3, val=2), size=32)
    assert found.train.ids == ("train0", "train1", "train2")
    assert found.val.ids == ("val0", "val1")
    assert found.train.images.shape == (3, 32, 32, 3)


def test_the_account_is_complete(folder):
    path = folder(train=3, val=2, test=2)
    whole, split = open_dataset(path), find_split(path)
    assert prepare(path, size=32).account == {
        "name": "data",
        "split": "by hand",
        "split_hash": split.hash,
        "train": 3,
        "train_hash": whole.subset(split.train).hash,
        "val": 2,
        "val_hash": whole.subset(split.val).hash,
        "kept_away_from": None,
        "left_out": [],
    }


@pytest.mark.parametrize("scored", ["val1", "test0"])
def test_training_images_that_look_like_scored_ones_are_left_out(folder, scored):
    found = prepare(folder(train=4, val=2, test=2, copies={"train2": scored}), size=32)
    assert found.train.ids == ("train0", "train1", "train3")
    assert found.account["left_out"] == ["train2"]
    assert found.account["train"] == 3


def test_look_alikes_within_training_stay(folder):
    found = prepare(folder(train=4, val=2, copies={"train2": "train0"}), size=32)
    assert len(found.train) == 4


def test_test_images_of_another_data_set_are_kept_away_from(folder):
    away = folder("official", seed=9, test=2)
    mine = folder("mine", seed=9, train=5, val=2)  # train0 and train1 are the other's test images
    found = prepare(mine, size=32, away_from=away)
    assert found.account["left_out"] == ["train0", "train1"]
    assert found.account["kept_away_from"] == "official"


def test_an_id_of_another_test_set_is_left_out_whatever_it_looks_like(folder):
    away, mine = folder("official", seed=1, test=1), folder("mine", seed=2, train=3, val=1)
    for kind in ("images", "masks"):
        (away / kind / "test0.png").rename(away / kind / "train1.png")
    (away / "split.json").unlink()
    (away / "manifest.csv").write_text("name,split\ntrain1,test\n")
    assert prepare(mine, size=32, away_from=away).account["left_out"] == ["train1"]


def test_if_nothing_is_left_to_train_on_it_says_why(folder):
    path = folder(train=2, val=2, copies={"train0": "val0", "train1": "val1"})
    with pytest.raises(DataError, match="every training image of data looks like one"):
        prepare(path, size=32)


def test_without_a_split_nobody_knows_what_to_train_on(folder):
    with pytest.raises(ConfigError, match="has no split") as caught:
        prepare(folder(train=2, split=False), size=32)
    assert "scunext-edge data split" in caught.value.hint


def test_without_validation_images_there_is_no_best_epoch(folder):
    with pytest.raises(ConfigError, match="no val images"):
        prepare(folder(train=2), size=32)


def test_every_image_is_reported(folder):
    seen = []
    prepare(folder(train=3, val=2), size=32, on_image=lambda *step: seen.append(step))
    assert [step for step in seen if step[0] == "packing train"] == [
        ("packing train", done, 3) for done in (1, 2, 3)
    ]
    assert seen[-1] == ("packing val", 2, 2)
    assert ("comparing", 5, 5) in seen


def test_images_that_were_left_out_before_are_left_out_again(folder):
    found = prepare(folder(train=4, val=2), size=32, without=["train2", "of another data set"])
    assert found.train.ids == ("train0", "train1", "train3")
    assert found.account["left_out"] == ["train2"]
    assert found.account["train"] == 3
