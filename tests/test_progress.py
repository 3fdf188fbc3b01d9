"""Progress is talk: it goes to stderr, and only once there is some."""

from __future__ import annotations

import pytest

from scunext_edge.progress import progress_bar


def test_each_task_gets_a_line_on_stderr(capsys):
    with progress_bar() as advance:
        for done in range(3):
            advance("images read", done, 2)
        advance("rows scored", 1, 1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "images read" in shown.err
    assert "2/2" in shown.err
    assert "rows scored" in shown.err


def test_without_a_report_nothing_is_shown(capsys):
    with pytest.raises(ValueError, match="early"), progress_bar():
        raise ValueError("early")
    assert capsys.readouterr() == ("", "")
