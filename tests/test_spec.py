"""The contract of a network, and what is said of an array that breaks it."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.spec import ModelSpec, TensorSpec, check_size


def test_the_contract_is_uint8_rgb_in_and_logits_out():
    spec = ModelSpec(size=256)
    assert spec.inputs == (TensorSpec(name="image", dtype="uint8", shape=("N", 256, 256, 3)),)
    assert spec.outputs == (TensorSpec(name="logits", dtype="float32", shape=("N", 1, 256, 256)),)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((1, 32, 32, 3), np.uint8), None),
        (np.zeros((7, 32, 32, 3), np.uint8), None),
        (np.zeros((1, 32, 32, 3), np.float32), "image: expected uint8, got float32"),
        (np.zeros((1, 3, 32, 32), np.uint8), "expected shape"),
        (np.zeros((32, 32, 3), np.uint8), "expected shape"),
        (np.zeros((1, 32, 64, 3), np.uint8), "expected shape"),
    ],
)
def test_a_mismatch_is_said_in_words(array, reason):
    (tensor,) = ModelSpec(size=32).inputs
    said = tensor.mismatch(array)
    assert said is None if reason is None else reason in said


@pytest.mark.parametrize("size", [32, 64, 256, 512, 1024])
def test_multiples_of_32_are_sizes(size):
    assert check_size(size) == ModelSpec(size=size).size == size


@pytest.mark.parametrize(("size", "near"), [(250, 256), (33, 32), (1, 32), (0, 32), (-64, 32)])
def test_any_other_size_is_refused_with_one_that_is_near(size, near):
    for refuse in (check_size, lambda size: ModelSpec(size=size)):
        with pytest.raises(ConfigError, match=f"multiples of 32, not {size}") as caught:
            refuse(size)
        assert caught.value.hint == f"use {near}"


def test_a_spec_comes_back_from_json_as_it_was():
    spec = ModelSpec(size=64, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0), labels=("lesion",))
    assert ModelSpec.from_json(json.loads(json.dumps(asdict(spec)))) == spec


@pytest.mark.parametrize(
    "change",
    [{"size": "large"}, {"size": 33}, {"mean": [0.1, 0.2]}, {"std": 1}, {"labels": None}],
)
def test_a_spec_that_cannot_be_read_is_a_fault_of_the_card(change):
    with pytest.raises(ArtifactError, match="spec cannot be read"):
        ModelSpec.from_json({**asdict(ModelSpec(size=32)), **change})
    with pytest.raises(ArtifactError, match="spec cannot be read"):
        ModelSpec.from_json({})
