"""Rows survive whatever ends the process that writes them."""

from __future__ import annotations

import pytest

from scunext_edge.errors import StorageError
from scunext_edge.pipeline.folders.journal import Journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "rows.jsonl"


def written(path, *rows):
    journal = Journal(path)
    for name, value in rows:
        journal.append({"path": name, "value": value})
    journal.close()


def read(path, *names):
    return [(row["path"], row["value"]) for row in Journal(path).rows(names)]


def test_the_last_row_of_a_path_counts(path):
    written(path, ("a", 1), ("b", 2), ("a", 3))
    assert read(path, "a", "b", "c") == [("a", 3), ("b", 2)]
    written(path, ("b", 4))
    assert read(path, "b", "a") == [("b", 4), ("a", 3)]


def test_nothing_is_made_before_there_is_a_row(path):
    assert read(path, "a") == []
    assert not path.parent.exists()


def test_rows_are_there_while_the_journal_is_open(path):
    journal = Journal(path)
    journal.append({"path": "ä", "value": 1})
    assert read(path, "ä") == [("ä", 1)]
    journal.close()


@pytest.mark.parametrize("left", [1, 5, 20])
def test_a_line_that_was_cut_off_is_dropped_and_overwritten(path, left):
    written(path, ("a", 1), ("b", 2))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\n") + 1 + left])
    assert read(path, "a", "b") == [("a", 1)]
    written(path, ("c", 3))
    assert read(path, "a", "b", "c") == [("a", 1), ("c", 3)]


def test_what_is_no_journal_is_not_touched(path):
    path.parent.mkdir()
    path.write_text("my own notes\n")
    with pytest.raises(StorageError, match="no journal"):
        Journal(path)
    assert path.read_text() == "my own notes\n"
