from __future__ import annotations

import pytest

from scunext_edge.benchmarks import memory

BLOCK = 64 << 20


def test_the_peak_holds_what_was_used_and_given_back():
    def use_and_give_back():
        return len(bytearray(b"\1" * BLOCK))

    result, found = memory.peak_over_imports(use_and_give_back)
    assert result == BLOCK
    assert found["peak_bytes"] - found["baseline_bytes"] >= 0.9 * BLOCK


def test_what_was_used_before_does_not_count():
    if not memory._reset_peak():
        pytest.skip("this kernel does not take back its high-water mark")
    before = len(bytearray(b"\1" * BLOCK))
    _, found = memory.peak_over_imports(lambda: before)
    assert found["peak_bytes"] - found["baseline_bytes"] < 0.2 * BLOCK


def test_where_the_mark_cannot_be_reset_the_method_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR", tmp_path)  # a folder cannot be written to
    _, found = memory.peak_over_imports(lambda: None)
    assert found["method"] == "ru_maxrss, lower bound"
    assert found["peak_bytes"] >= found["baseline_bytes"] > 0
