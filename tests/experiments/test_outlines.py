from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from scunext_edge.data.images import write_mask
from scunext_edge.errors import BackendMissing
from scunext_edge.experiments.further import check
from scunext_edge.experiments.outlines import outlines

DIAGONAL = math.hypot(60, 80)


def square(top, left, side=20):
    mask = np.zeros((60, 80), np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


NOTHING = square(0, 0, 0)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # of MONAI's own
@pytest.mark.parametrize(
    ("predicted", "truth", "hd95", "empty"),
    [
        (square(20, 20), square(20, 20), 0.0, False),
        (square(20, 26), square(20, 20), 6.0, False),
        (NOTHING, square(20, 20), DIAGONAL, True),
        (square(20, 20), NOTHING, DIAGONAL, True),
        (NOTHING, NOTHING, 0.0, False),
    ],
)
def test_hd95_is_in_pixels_of_the_picture_and_an_empty_mask_is_as_far_as_can_be(
    tmp_path, predicted, truth, hd95, empty
):
    pytest.importorskip("monai")
    for name in ("images", "masks", "predicted"):
        (tmp_path / name).mkdir()
    Image.new("L", (80, 60)).save(tmp_path / "images" / "a.png")
    write_mask(tmp_path / "masks" / "a.png", truth)
    write_mask(tmp_path / "predicted" / "a.png", predicted)
    found = outlines(tmp_path, ["a"], tmp_path / "predicted")["a"]
    assert found.hd95 == pytest.approx(hd95)
    assert found.share == pytest.approx(hd95 / DIAGONAL)
    assert found.empty is empty


def test_without_monai_nothing_is_trained_that_needs_it(monkeypatch):
    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda name: None)
    check([])
    with pytest.raises(BackendMissing, match="HD95"):
        check(["hd95"])
