"""The threshold that validation chooses: found again by hand, and told beside 0.5."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scunext_edge.artifacts import load
from scunext_edge.data.datasets import open_dataset
from scunext_edge.evaluation.thresholds import GRID
from scunext_edge.experiments.analysis import GAIN, analyse
from scunext_edge.experiments.further import code_of, fitted, is_outdated, place_of
from scunext_edge.experiments.text import written
from scunext_edge.experiments.threshold import scored_at_threshold
from scunext_edge.metrics import score
from scunext_edge.models.checkpoint import load_network, random_network, save_network
from scunext_edge.runtime.predictor import Predictor, logit_of
from scunext_edge.runtime.registry import open_runner
from scunext_edge.spec import ModelSpec

VAL, TEST = ["l00", "l01", "l02"], ["l03", "l04"]


def test_validation_chooses_and_the_test_part_is_scored_there(lesions, tmp_path):
    network = load_network(random_network("unext", tmp_path / "drawn", size=32)).network
    with torch.no_grad():
        network.final.bias += 1.0  # too much is lesion at 0.5
    save_network(network, tmp_path / "unext", model="unext", spec=ModelSpec(size=32))
    job = {
        "accelerator": "cpu",
        "threads": 1,
        "folder": str(lesions),
        "images": {"train": [], "val": VAL, "test": TEST},
    }
    found = scored_at_threshold(job, str(tmp_path / "unext"))

    runner = open_runner(load(tmp_path / "unext"), "torch", device="cpu", threads=1)
    samples = {it.id: it for it in open_dataset(lesions).subset([*VAL, *TEST])}
    logits = {id: Predictor(runner).predict(it.image_hwc).logits_hw for id, it in samples.items()}
    runner.close()

    def scored(ids, threshold):
        masks = {id: logits[id] > np.float32(logit_of(threshold)) for id in ids}
        return {id: score(mask, samples[id].mask_hw) for id, mask in masks.items()}

    means = [np.mean([it.dice for it in scored(VAL, cut).values()]) for cut in GRID]
    assert found.threshold > 0.5
    assert max(means) == pytest.approx(means[GRID.index(found.threshold)])
    at_it = scored(TEST, found.threshold)
    assert found.scores == {
        id: (pytest.approx(it.dice, abs=1e-5), pytest.approx(it.iou, abs=1e-5))
        for id, it in at_it.items()
    }
    assert found.dice == pytest.approx(np.mean([it.dice for it in at_it.values()]), abs=1e-5)
    assert found.iou == pytest.approx(np.mean([it.iou for it in at_it.values()]), abs=1e-5)


def with_thresholds(found, gains, *, scores=("threshold",), noise=0.0):
    """The same trials with Dice at a threshold of 0.3: higher by ``gains``, by row."""
    rng, trials = np.random.default_rng(0), []
    for one in found.trials:
        images = {}
        for id, values in one["images"].items():
            dice = values[0] + gains[one["arm"]] + rng.normal(0, noise)
            before = [7.0, 0.07] if "hd95" in scores else []
            images[id] = [*values, *before, dice, dice / 2]
        mean = float(np.mean([it[-2] for it in images.values()]))
        told = {"threshold": 0.3, "dice_at_threshold": mean, "iou_at_threshold": mean / 2}
        far = {"hd95": 7.0, "hd95_share": 0.07} if "hd95" in scores else {}
        trials.append({**one, **told, **far, "images": images})
    return replace(found, terms={**found.terms, "scores": list(scores)}, trials=tuple(trials))


@pytest.mark.parametrize("scores", [("threshold",), ("hd95", "threshold")])
def test_a_row_has_what_its_threshold_gains_and_rows_are_compared_at_theirs(made_up, scores):
    """b is better by 5 points at 0.5, and by 8 at the threshold, which gives it 3 and a none."""
    found = with_thresholds(
        made_up.comparison(0.05, noise=0.001), {"a": 0.0, "b": 0.03}, scores=scores, noise=0.001
    )
    by = {(it.metric, it.arm, it.base): it for it in analyse(found).differences}
    assert by["dice", "b", "a"].splits.mean == pytest.approx(0.05, abs=0.005)
    assert by["threshold", "b", "a"].splits.mean == pytest.approx(0.08, abs=0.005)
    assert by[GAIN, "b", "b"].splits.mean == pytest.approx(0.03, abs=0.002)
    assert by[GAIN, "b", "b"].significant
    assert not by[GAIN, "a", "a"].significant
    text = written(found)
    line = next(it for it in text.splitlines() if it.startswith("| `b` | 3 |"))
    assert " | 0.30 ± 0.00 | " in line
    assert f"| {100 * analyse(found).rows[1].scores['dice_at_threshold'].mean:.2f} ±" in line
    assert "**b**: +3.0" in text
    assert "a: " in text
    assert "not told apart from zero" in text


def test_one_training_is_told_as_one(made_up):
    found = with_thresholds(made_up.comparison(0.05, splits=(1,)), {"a": 0.02, "b": 0.02})
    one = replace(found, terms={**found.terms, "splits": {**found.terms["splits"], "seeds": [1]}})
    assert "it is one training" in written(one)


def test_without_thresholds_no_word_of_them(made_up):
    assert "threshold" not in written(made_up.comparison(0.05))


def test_each_score_has_its_place_among_the_values_of_an_image():
    assert place_of("threshold", ["threshold"]) == 2
    assert place_of("threshold", ["hd95", "threshold"]) == 4
    assert place_of("hd95", ["threshold", "hd95"]) == 4


def test_a_threshold_chosen_by_other_code_is_chosen_anew():
    now = code_of("threshold")
    assert not is_outdated({"threshold_code": now}, ["threshold"])
    assert is_outdated({"threshold_code": "other"}, ["threshold"])
    assert not is_outdated({"threshold_code": "other"}, ["hd95"])


def test_a_record_fits_whoever_asks_for_some_of_its_scores(made_up):
    """Its trial's folder is shared by experiments that ask for other scores, in another order."""
    (_, whole) = with_thresholds(
        made_up.comparison(0.05, splits=(1,)), {"a": 0.0, "b": 0.03}, scores=("hd95", "threshold")
    ).trials
    told = {"hd95_empty": 0, "hd95_code": "x", "threshold_code": "y"}
    whole = {**whole, **told, "scores": ["hd95", "threshold"]}
    assert fitted(whole, ["hd95", "threshold"]) is whole
    alone = fitted(whole, ["threshold"])
    first, (same, *_) = next(iter(alone["images"].values())), whole["images"].values()
    assert first == [*same[:2], *same[4:]]
    assert not [name for name in alone if name.startswith("hd95")]
    assert alone["dice_at_threshold"] == whole["dice_at_threshold"]
    plain = fitted(whole, [])
    assert plain["images"] == {id: values[:2] for id, values in whole["images"].items()}
    assert "threshold" not in plain
    assert fitted(plain, ["threshold"]) is None
    old = {name: value for name, value in fitted(whole, ["hd95"]).items() if name != "scores"}
    assert fitted(old, ["hd95"]) is old  # from before records said which scores they have
    assert fitted(old, ["threshold"]) is None


def test_thresholds_by_two_codes_are_told(made_up):
    found = with_thresholds(made_up.comparison(0.05), {"a": 0.0, "b": 0.03})
    codes = [{**one, "threshold_code": one["cut"][-1]} for one in found.trials]
    told = written(replace(found, trials=tuple(codes)))
    assert "The thresholds were chosen by 3 states of their code." in told
    assert "states of their code" not in written(found)
