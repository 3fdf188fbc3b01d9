"""From an image of any size to its mask."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.errors import ConfigError, EngineError
from scunext_edge.runtime.predictor import Predictor, logit_of


@pytest.fixture
def predictor(fake_runner):
    return Predictor(fake_runner)


def bright_square(height, width):
    image = np.full((height, width, 3), 20, np.uint8)
    image[height // 4 : height // 2, width // 4 : width // 2] = 230
    return image


@pytest.mark.parametrize(("height", "width"), [(64, 96), (32, 32), (333, 200), (1, 1), (7, 500)])
def test_the_mask_has_the_size_of_the_image(predictor, height, width):
    prediction = predictor.predict(np.full((height, width, 3), 255, np.uint8))
    assert prediction.mask.shape == prediction.logits_hw.shape == (height, width)
    assert prediction.mask.dtype == np.bool_
    assert prediction.area_fraction == 1.0


def test_the_mask_lies_where_the_lesion_lies(predictor):
    image = bright_square(128, 256)
    prediction = predictor.predict(image)
    wrong = prediction.mask != (image[:, :, 0] > 127)
    # One pixel of the 32 x 32 network is 4 x 8 of the image: the rim may be off by half of it.
    assert wrong.sum() < 2 * (32 * 4 + 64 * 2)
    assert prediction.area_fraction == pytest.approx(1 / 16, rel=0.05)


def test_the_mask_is_where_the_logit_exceeds_zero(predictor):
    prediction = predictor.predict(bright_square(60, 60))
    np.testing.assert_array_equal(prediction.mask, prediction.logits_hw > 0)


def test_a_logit_of_zero_is_no_lesion(predictor, fake_runner, monkeypatch):
    zeros = {"logits": np.zeros((1, 1, 32, 32), np.float32)}
    monkeypatch.setattr(fake_runner, "get", lambda: zeros)
    assert predictor.predict(bright_square(40, 40)).area_fraction == 0.0


def test_logits_that_are_no_numbers_are_not_taken_for_healthy_skin(
    predictor, fake_runner, monkeypatch
):
    broken = np.zeros((1, 1, 32, 32), np.float32)
    broken[0, 0, 3, 3] = np.nan
    monkeypatch.setattr(fake_runner, "get", lambda: {"logits": broken})
    with pytest.raises(EngineError, match="finite"):
        predictor.predict(bright_square(40, 40))


def test_a_threshold_cuts_where_the_probability_is_above(fake_runner):
    image = bright_square(60, 60)
    masks = []
    for threshold in (0.35, 0.5, 0.65):
        found = Predictor(fake_runner, threshold=threshold).predict(image)
        chances = 1 / (1 + np.exp(-found.logits_hw.astype(float)))
        clear = np.abs(chances - threshold) > 1e-6
        np.testing.assert_array_equal(found.mask[clear], (chances > threshold)[clear])
        masks.append(int(found.mask.sum()))
    assert masks[0] > masks[1] > masks[2] > 0


@pytest.mark.parametrize("threshold", [0, 1, -0.5, 1.5, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(fake_runner, threshold):
    with pytest.raises(ConfigError, match="a threshold of"):
        Predictor(fake_runner, threshold=threshold)


def test_half_is_the_cut_of_the_contract():
    assert logit_of(0.5) == 0.0


def test_views_say_how_far_they_are_apart_at_the_size_of_the_image(fake_runner, monkeypatch):
    plain = Predictor(fake_runner).predict(bright_square(40, 60))
    assert plain.deviation_hw is None
    found = Predictor(fake_runner, views=True).predict(bright_square(40, 60))
    assert found.deviation_hw.shape == found.mask.shape == (40, 60)
    np.testing.assert_array_equal(found.mask, plain.mask)  # this network sees no sides
    assert found.deviation_hw.max() < 1e-6
    get, lean = fake_runner.get, np.linspace(-3, 3, 32, dtype=np.float32)
    monkeypatch.setattr(fake_runner, "get", lambda: {"logits": get()["logits"] + lean})
    leaning = Predictor(fake_runner, views=True).predict(bright_square(40, 60))
    assert leaning.deviation_hw.mean() > 0.1


def test_no_view_may_be_no_number(fake_runner, monkeypatch):
    get, asked = fake_runner.get, []

    def broken():
        asked.append(1)
        logits = get()["logits"].copy()
        logits[..., 0, 0] = np.nan if len(asked) == 8 else 0
        return {"logits": logits}

    monkeypatch.setattr(fake_runner, "get", broken)
    with pytest.raises(EngineError, match="finite"):
        Predictor(fake_runner, views=True).predict(bright_square(40, 40))
