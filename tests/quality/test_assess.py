"""A mask may be used, or not and why."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scunext_edge.data.synthetic import draw
from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.quality.assess import assess, warning_of
from scunext_edge.quality.domain import fit_domain
from scunext_edge.quality.flags import FLAGS
from scunext_edge.quality.limits import Limits, load_limits, save_limits
from scunext_edge.quality.signals import looks
from scunext_edge.weights import shipped

SIDE = 64
LOOSE = {rule.name: (-1e9 if rule.below else 1e9) for rule in FLAGS}


def limits_with(**changed):
    seen = [looks(draw(1, index, (SIDE, SIDE))[0]) for index in range(40)]
    return Limits(
        model="scunext",
        checkpoint="0123456789abcdef",
        size=SIDE,
        limits={**LOOSE, **changed},
        domain=fit_domain(seen),
        set_on={"name": "drawn"},
        rule={},
        error_rates={},
    )


@pytest.fixture(scope="module")
def lesion():
    image, mask = draw(1, 3, (SIDE, SIDE))
    return image, np.where(mask, 5, -5).astype(np.float32)


def test_nothing_beyond_a_limit_is_usable(lesion):
    quality = assess(*lesion, limits_with())
    assert quality.usable
    assert quality.flags == ()
    assert set(quality.values) == {rule.signal for rule in FLAGS}


@pytest.mark.parametrize("rule", FLAGS, ids=lambda rule: rule.name)
def test_each_flag_is_raised_strictly_beyond_its_limit(lesion, rule):
    value = assess(*lesion, limits_with()).values[rule.signal]
    assert assess(*lesion, limits_with(**{rule.name: value})).usable
    beyond = np.nextafter(value, np.inf if rule.below else -np.inf)
    quality = assess(*lesion, limits_with(**{rule.name: beyond}))
    assert not quality.usable
    (flag,) = quality.flags
    assert (flag.name, flag.value, flag.limit, flag.what) == (rule.name, value, beyond, rule.what)


def test_a_gray_picture_is_farther_than_any_that_the_domain_was_fitted_on(lesion):
    domain = limits_with().domain
    known = max(domain.distance(draw(1, index, (SIDE, SIDE))[0]) for index in range(40))
    gray = np.repeat(lesion[0][..., :1], 3, axis=2)
    assert domain.distance(gray) > 1.5 * known


def test_another_size_than_that_of_the_limits_is_a_mistake(lesion):
    image, logits = lesion
    with pytest.raises(ValueError, match="limits are for"):
        assess(image[:32], logits[:32], limits_with())


def test_limits_come_back_from_their_file(tmp_path):
    limits = limits_with(blurred=0.1 + 0.2)
    save_limits(tmp_path / "quality.json", limits)
    assert load_limits(tmp_path / "quality.json") == limits


@pytest.mark.parametrize("spoil", ["limits", "domain", "checkpoint"])
def test_incomplete_limits_are_refused(tmp_path, spoil):
    path = tmp_path / "quality.json"
    save_limits(path, limits_with())
    content = json.loads(path.read_text())
    content[spoil] = {"mean": [1.0], "inverse": [[1.0]]} if spoil == "domain" else {}
    if spoil == "checkpoint":
        del content[spoil]
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="no complete limits"):
        load_limits(path)


def test_limits_of_another_schema_are_refused(tmp_path):
    (tmp_path / "quality.json").write_text('{"schema": 99, "kind": "quality-limits"}')
    with pytest.raises(ArtifactError, match="schema 99"):
        load_limits(tmp_path / "quality.json")


@pytest.mark.parametrize("model", shipped.names())
@pytest.mark.parametrize("form", shipped.FORMS)
def test_every_form_of_a_network_that_ships_has_the_limits_of_that_network(model, form):
    limits = shipped.limits_of(shipped.shipped(model, form))
    assert limits is not None
    assert limits.model == model


def test_limits_of_another_network_are_refused(tmp_path):
    save_limits(tmp_path / "quality.json", limits_with())
    with pytest.raises(ConfigError, match="and not about"):
        shipped.limits_of(shipped.shipped("scunext", "onnx-fp32"), tmp_path / "quality.json")


def test_the_warning_names_the_picture_and_every_remedy(lesion):
    quality = assess(*lesion, limits_with(blurred=1e9, unsure=1e9))
    warning = warning_of({"image": "a.jpg", "quality": quality.to_json()})
    assert warning.startswith("a.jpg: do not use this mask: blurred: clean the lens")
    assert "draw it by hand" in warning
    usable = assess(*lesion, limits_with()).to_json()
    assert warning_of({"image": "a.jpg", "quality": usable}) is None
    assert warning_of({"image": "a.jpg", "quality": None}) is None
