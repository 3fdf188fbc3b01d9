"""A model that disagrees with itself is caught, by the check that should catch it."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.errors import EngineError
from scunext_edge.evaluation.consistency import constant_images, examine
from scunext_edge.spec import ModelSpec

SIZE = 32
IMAGES = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)


class Honest:
    """The logit of a pixel is its mean, around 0."""

    spec = ModelSpec(size=SIZE)

    def put(self, inputs):
        self.images = inputs["image"]

    def execute(self):
        self.logits = self.images.mean(-1, dtype=np.float32)[:, None] / 255 - np.float32(0.5)

    def get(self):
        return {"logits": self.logits.copy()}

    def close(self): ...


class MixesRows(Honest):
    def execute(self):
        super().execute()
        self.logits = (
            self.logits + np.arange(len(self.images), dtype=np.float32)[:, None, None, None]
        )


class ReadsTheNextRow(Honest):
    """Only in a batch, and only the last row: its neighbour's pixels."""

    def execute(self):
        super().execute()
        if len(self.images) > 1:
            self.logits[-1] = self.logits[0]


class Remembers(Honest):
    before = np.float32(0)

    def execute(self):
        super().execute()
        self.logits, self.before = self.logits + self.before, self.logits.mean()


class TurnsToNan(Honest):
    def execute(self):
        super().execute()
        self.logits = np.where(self.images.std() > 0, self.logits, np.float32(np.nan))


class SomeNan(Honest):
    """In eight columns of every image: NaN > 0 is false, which reads as background."""

    def execute(self):
        super().execute()
        self.logits[..., :8] = np.nan


class Differs(Honest):
    opened = 0

    def __init__(self):
        type(self).opened += 1

    def execute(self):
        super().execute()
        self.logits = self.logits + np.float32(1e-3 * self.opened)
        type(self).opened = max(type(self).opened, 1)


class Crashes(Honest):
    def execute(self):
        if len(self.images) > 1:
            raise EngineError("batches are not possible")
        super().execute()


class TakesAnything(Honest):
    class spec:
        inputs = ()

    def put(self, inputs):
        self.images = np.nan_to_num(inputs["image"]).astype(np.uint8)


def failed(kind):
    return failed_of(kind, "fp32")


def failed_of(kind, precision):
    return {it.name for it in examine(kind, IMAGES, precision=precision) if not it.passed}


def test_a_model_that_agrees_with_itself_passes_everything():
    checks = examine(Honest, IMAGES, precision="fp32")
    assert len(checks) == 7
    assert all(check.passed for check in checks)


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (MixesRows, {"duplicate rows", "batch against single"}),
        (ReadsTheNextRow, {"batch against single"}),
        (Remembers, {"repeat after others", "constant images", "opened again"}),
        (TurnsToNan, {"constant images"}),
        (Differs, {"opened again"}),
        (Crashes, {"duplicate rows", "batch against single"}),
    ],
)
def test_each_fault_is_caught_by_its_check(kind, caught):
    assert caught <= failed(kind)
    assert "NaN and wrong shapes" not in failed(kind)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8"])
def test_logits_that_are_no_numbers_fail_in_every_precision(precision):
    assert failed_of(SomeNan, precision) >= {"duplicate rows", "batch against single"}


def test_a_message_says_what_was_seen():
    checks = {check.name: check for check in examine(Crashes, IMAGES, precision="fp32")}
    assert checks["duplicate rows"].message == "batches are not possible"
    checks = {check.name: check for check in examine(MixesRows, IMAGES, precision="fp32")}
    assert "row 2 of a batch differs" in checks["duplicate rows"].message


def test_a_float_image_of_nan_must_be_refused(monkeypatch):
    monkeypatch.setattr("scunext_edge.runtime.runner.check_inputs", lambda spec, inputs: None)
    assert "NaN and wrong shapes" in failed(TakesAnything)


def test_constant_images_are_constant_but_for_two():
    images = constant_images(SIZE)
    flat = [
        name for name, image in images.items() if len(np.unique(image.reshape(-1, 3), axis=0)) == 1
    ]
    assert flat == ["black", "white", "gray", "red"]
    assert images["one lit pixel"].sum() == 3 * 255
