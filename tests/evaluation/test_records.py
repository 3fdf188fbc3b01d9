"""An evaluation is stored image by image, and comes back as it was."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scunext_edge.errors import ArtifactError
from scunext_edge.evaluation import records


def test_an_evaluation_comes_back_as_it_was_stored(evaluation, tmp_path):
    stored = evaluation([0.9, 0.1, 1 / 3])
    records.save(tmp_path / "a.json", stored)
    assert records.load(tmp_path / "a.json") == stored


def test_the_file_says_what_it_is_and_holds_every_score(evaluation, tmp_path):
    records.save(tmp_path / "a.json", evaluation([0.5, 0.25], ids=["a", "b"]))
    data = json.loads((tmp_path / "a.json").read_text())
    assert (data["schema"], data["kind"]) == (1, "evaluation")
    assert [(row["id"], row["dice"]) for row in data["scores"]] == [("a", 0.5), ("b", 0.25)]
    assert data["dice_pooled"] == 2 * 75 / 400


def test_the_mean_is_over_images_and_pooling_is_over_pixels(evaluation):
    """One large lesion found well and a small one badly: the two figures are far apart."""
    found = evaluation(
        [0.95, 0.4],
        truth_area=[10_000, 100],
        predicted_area=[10_000, 100],
        common_area=[9_500, 40],
    )
    assert found.mean("dice") == pytest.approx(0.675)
    dice, iou = found.pooled()
    assert dice == pytest.approx(2 * 9540 / 20200)
    assert iou == pytest.approx(9540 / (20200 - 9540))


def test_pooling_over_nothing_but_empty_masks_is_agreement(evaluation):
    nothing = {"truth_area": [0], "predicted_area": [0], "common_area": [0]}
    assert evaluation([1.0], **nothing).pooled() == (1.0, 1.0)


def test_values_are_in_the_order_of_the_images(evaluation):
    found = evaluation([0.1, 0.2, 0.3], iou=[0.3, 0.2, 0.1])
    np.testing.assert_array_equal(found.values("dice"), [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(found.values("iou"), [0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(schema=2),
        lambda data: data.update(schema=None),
        lambda data: data.update(kind="measurement"),
    ],
)
def test_a_record_of_another_schema_or_kind_is_refused(evaluation, tmp_path, change):
    path = tmp_path / "a.json"
    records.save(path, evaluation([0.5]))
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="this version reads 'evaluation' of schema 1"):
        records.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("scores"),
        lambda data: data.pop("subject"),
        lambda data: data.update(scores=["dice"]),
        lambda data: data.update(scores=None),
        lambda data: data["scores"][0].pop("dice"),
        lambda data: data["scores"][0].pop("id"),
        lambda data: data["scores"][0].update(surprise=1),
    ],
)
def test_a_record_that_is_not_whole_is_refused_with_what_to_do(evaluation, tmp_path, change):
    path = tmp_path / "a.json"
    records.save(path, evaluation([0.5]))
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="not a complete evaluation") as caught:
        records.load(path)
    assert "scored again" in caught.value.hint


def test_json_that_is_no_record_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(ArtifactError, match="schema None"):
        records.load(tmp_path / "a.json")
