from __future__ import annotations

import pytest

from scunext_edge.artifacts import Card
from scunext_edge.errors import StorageError
from scunext_edge.export.writing import scratch, write
from scunext_edge.spec import ModelSpec

CARD = Card(model="m", format="onnx", precision="fp32", spec=ModelSpec(size=32))


def test_an_artifact_is_written_as_a_whole(tmp_path):
    made = write(tmp_path / "out", CARD, {"a.onnx": b"1", "b.json": b"22", "c.bin": b"33"})
    assert made.size_bytes == 3  # a JSON file describes a model, and is no part of it
    assert made.card == CARD


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        write(tmp_path / "file" / "out", CARD, {"a.onnx": b"1"})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_scratch_is_gone_afterwards_even_after_an_error():
    seen = []

    def fail_inside():
        with scratch() as folder:
            (folder / "x").write_text("x")
            seen.append(folder)
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert not seen[0].exists()


def test_a_full_or_absent_scratch_place_is_a_storage_error(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(StorageError, match="absent"), scratch():
        pass
