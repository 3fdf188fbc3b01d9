"""What counts as the same mask on another processor; the processor itself is for `make arm64`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.data.preprocess import to_network
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.weights.shipped import shipped

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def compare():
    spec = importlib.util.spec_from_file_location("arm64_compare", HERE / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def side(logits, **facts):
    return {
        "version": "1",
        "shares": {"int8": 0.9, "fp32": 0.1},
        "isa": None,
        **facts,
        "logits": logits,
    }


def test_the_same_logits_are_the_same_mask(compare):
    logits = np.linspace(-1, 1, 20000, dtype=np.float32).reshape(2, 100, 100)
    row = compare.row_of("m", "native", "int8", side(logits, isa="avx2"), side(logits, isa="neon"))
    assert (row["flipped"], row["apart"], row["verdict"]) == (0.0, 0.0, "same")
    assert compare.line_of(row)[3:5] == ["INT8 90%, FP32 10% (neon)", "INT8 90%, FP32 10% (avx2)"]


def test_a_rounding_that_fp32_may_not_have_is_fine_in_int8(compare):
    logits = np.linspace(-1, 1, 20000, dtype=np.float32).reshape(2, 100, 100)
    for precision, verdict in (("int8", "same"), ("fp32", "DIFFERENT")):
        row = compare.row_of("m", "e", precision, side(logits), side(logits + np.float32(0.005)))
        assert row["verdict"] == verdict
    assert compare.row_of("m", "e", "int8", side(logits), side(-logits))["verdict"] == "DIFFERENT"


def test_an_engine_that_does_not_run_there_says_why(compare):
    logits = np.zeros((2, 4, 4), np.float32)
    row = compare.row_of("m", "e", "fp32", side(logits), {"error": "no such instruction"})
    assert row["verdict"] == "arm64: no such instruction"
    assert compare.line_of(row)[3] is None
    record = {"images": 2, "rows": [row]}
    assert "no such instruction" in compare.to_markdown(record)


def test_the_worker_answers_with_logits_and_what_ran(compare, tmp_path, native_library):
    lesions = SyntheticLesions(2, seed=1)
    images = np.stack([to_network(lesions[index].image_hwc, 256) for index in range(2)])
    images.tofile(tmp_path / "images")
    artifact = shipped("unext", "native-int8")
    found = compare.answer([sys.executable], tmp_path / "0", artifact, "native", images, False)
    if "libscunext" in found.get("error", ""):
        pytest.skip("libscunext is not installed here")
    assert found["logits"].shape == (2, 256, 256)
    assert found["shares"]["int8"] > 0.9
    wrong = compare.answer([sys.executable], tmp_path / "1", artifact, "torch", images, False)
    assert "torch loads safetensors" in wrong["error"]
