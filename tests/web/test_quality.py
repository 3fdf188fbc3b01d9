"""quality.js decides what the package decides: whole numbers alike, fractions within 1e-9."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from scunext_edge.data.synthetic import draw
from scunext_edge.quality.assess import assess
from scunext_edge.quality.flags import FLAGS
from scunext_edge.web.pack import _quality
from scunext_edge.weights import shipped

SIDE = 256


def encoded(array):
    return {"bytes": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()}


def cases():
    rng = np.random.default_rng(0)
    logits = (rng.integers(0, 256, (SIDE, SIDE)) - 127.5).astype(np.float32) / 16
    lesion, mask = draw(3, 4, (SIDE, SIDE))
    corner = np.full((SIDE, SIDE), -9, np.float32)
    corner[:3, -5:] = 7
    yield "drawn lesion", lesion, np.where(mask, 5, -6).astype(np.float32)
    yield "noise", rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8), logits
    yield "black, nothing found", np.zeros((SIDE, SIDE, 3), np.uint8), np.full_like(logits, -9)
    yield "white, found in a corner", np.full((SIDE, SIDE, 3), 255, np.uint8), corner


@pytest.fixture(scope="module")
def limits():
    return shipped.limits_of(shipped.shipped("scunext", "native-int8"))


@pytest.mark.parametrize(("name", "image", "logits"), list(cases()), ids=lambda it: str(it)[:12])
def test_the_page_judges_as_the_package_does(node, limits, name, image, logits):
    job = {"call": "quality", "rgb": encoded(image), "logits": encoded(logits)}
    (answer,) = node([{**job, "limits": _quality(limits)}])
    wanted = assess(image, logits, limits).to_json()
    assert answer["usable"] == wanted["usable"]
    assert [it["name"] for it in answer["flags"]] == [it["name"] for it in wanted["flags"]]
    assert [it["what"] for it in answer["flags"]] == [it["what"] for it in wanted["flags"]]
    for signal in ("sharpness", "light", "white", "glare"):
        assert answer["values"][signal] == wanted["values"][signal], signal
    assert answer["values"] == pytest.approx(wanted["values"], rel=1e-9, abs=1e-9)


def test_without_limits_the_page_says_nothing(node):
    job = {"call": "quality", "rgb": encoded(np.zeros(12, np.uint8))}
    assert node([{**job, "logits": encoded(np.zeros(4, np.float32)), "limits": None}]) == [None]


def test_the_release_carries_every_flag_with_its_words(limits):
    told = _quality(limits)
    assert [it["what"] for it in told["rules"]] == [rule.what for rule in FLAGS]
    assert told["limits"].keys() == {rule.name for rule in FLAGS}
