from __future__ import annotations

import os

import numpy as np
import pytest

from scunext_edge.benchmarks import caches
from scunext_edge.benchmarks.caches import Evictor, drop_files

CPU0 = "sys/devices/system/cpu/cpu0/cache"


@pytest.fixture
def root(tmp_path):
    for index, size in enumerate(("48K", "1024K", "32768K")):
        folder = tmp_path / CPU0 / f"index{index}"
        folder.mkdir(parents=True)
        (folder / "level").write_text(f"{index + 1}\n")
        (folder / "size").write_text(f"{size}\n")
    return tmp_path


def test_where_the_system_tells_no_cache_a_large_one_is_assumed(tmp_path):
    assert Evictor(tmp_path).size_bytes == 128 << 20


def test_the_buffer_is_larger_than_the_last_level_cache_and_all_of_it_is_touched(root):
    evict = Evictor(root)
    assert evict.size_bytes == 64 << 20 == evict._buffer.nbytes
    evict()
    evict()
    assert np.all(evict._buffer == 3)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(os.urandom(1 << 20))
    return path


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([False] * 3, "dropped"),
        ([True] * 3, "warm"),
        ([True, False, False], "partly dropped"),
        ([None] * 3, "unknown"),
        ([None, None, False], "dropped"),
    ],
)
def test_what_came_of_it_is_said(file, monkeypatch, held, said):
    answers = iter(held)
    monkeypatch.setattr(caches, "_is_held", lambda handle, at: next(answers))
    assert drop_files([file]) == said


def test_a_file_that_was_just_written_is_forgotten_or_known_to_be_held(file):
    assert drop_files([file]) in {"dropped", "partly dropped", "warm", "unknown"}
    assert len(file.read_bytes()) == 1 << 20


def test_a_system_without_the_call_is_warm(file, monkeypatch):
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    assert drop_files([file]) == "warm"


def test_a_file_that_cannot_be_opened_is_no_error(tmp_path):
    assert drop_files([tmp_path / "absent"]) == "unknown"
    assert drop_files([]) == "unknown"
