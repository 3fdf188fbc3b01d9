from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scunext_edge.report.history import histories, to_html, to_markdown
from scunext_edge.report.records import Run, read_run
from scunext_edge.report.timeline import timeline
from scunext_edge.report.write import write_joint
from scunext_edge.results import Latency, Row

BareRun = Callable[..., Run]


@pytest.fixture
def row(make_row: Callable[..., Row]) -> Row:
    return make_row("scunext", "native", "fp32")


@pytest.fixture
def runs(bare_run: BareRun, row: Row, make_latency: Callable[..., Latency]) -> list[Run]:
    """Given out of order: the second has a new artifact and a new kernel, the third no row."""
    new = replace(row, artifact_id="b", latency_ms=make_latency(12.0), stability="unstable")
    old = {"cpu_model": "Example CPU", "kernel": "6.1"}
    return [
        bare_run([new], created="2026-03-02T10:00:00Z", environment={**old, "kernel": "6.2"}),
        bare_run([row], created="2026-03-01T10:00:00Z", environment=old),
        bare_run([], created="2026-03-03T10:00:00Z", environment=old),
    ]


def test_points_stand_in_the_order_of_time_with_what_changed(runs: Sequence[Run]) -> None:
    (past,) = histories(runs)
    (case,) = past.cases
    assert case.name == "scunext FP32 on native"
    assert [point.when for point in case.points] == [
        "2026-03-01 10:00 UTC",
        "2026-03-02 10:00 UTC",
        "2026-03-03 10:00 UTC",
    ]
    assert [point.text for point in case.points] == [
        "10.0 (9.8 to 10.2)",
        "12.0 (11.8 to 12.2)",
        None,
    ]
    assert [list(point.changes) for point in case.points] == [
        [],
        ["artifact scunext-fp32 \N{RIGHTWARDS ARROW} b", "kernel 6.1 \N{RIGHTWARDS ARROW} 6.2"],
        [],
    ]
    assert case.points[2].note == "not measured: this run had no such row"


def test_a_change_is_one_from_the_run_before(runs: Sequence[Run]) -> None:
    later = replace(runs[0], created="2026-03-05T10:00:00Z")
    (past,) = histories([*runs, later])
    assert [len(point.changes) for point in past.cases[0].points] == [0, 2, 0, 0]


def test_a_change_is_marked_in_the_picture(runs: Sequence[Run]) -> None:
    (past,) = histories(runs)
    points = past.cases[0].points
    quiet = [replace(point, changes=[]) for point in points]
    assert "stroke-dasharray" in timeline(points, name="a", title="")
    assert "stroke-dasharray" not in timeline(quiet, name="a", title="")


def test_another_engine_version_and_other_conditions_are_changes(whole_run: Path) -> None:
    first = read_run(whole_run)
    key = first.rows[0].key
    measured = first.measurements[key]
    subject = replace(measured.subject, backend_version="2.14", batch=8)
    second = replace(
        first,
        created="2026-04-01T10:00:00Z",
        measurements={**first.measurements, key: replace(measured, subject=subject)},
    )
    (past,) = histories([first, second])
    changed = {case.name: list(case.points[1].changes) for case in past.cases}
    assert changed.pop("scunext FP32 on torch") == [
        "torch not told \N{RIGHTWARDS ARROW} 2.14",
        "batch 8 (before: 1)",
    ]
    assert not any(changed.values())


def test_machines_have_histories_of_their_own(runs: Sequence[Run]) -> None:
    other = replace(runs[0], environment={"board": "Raspberry Pi 5"})
    assert [past.machine for past in histories([*runs, other])] == ["Example CPU", "Raspberry Pi 5"]


def test_the_last_run_recommends(runs: Sequence[Run]) -> None:
    assert histories(runs[:2])[0].latest.state == "none"  # its only row is unstable
    assert histories(runs[1:2] * 2)[0].latest.state == "recommended"


def test_the_text_has_a_table_per_case(runs: Sequence[Run]) -> None:
    text = to_markdown(runs)
    assert text.startswith("# p50 over 3 runs\n\n## Example CPU\n")
    assert "### scunext FP32 on native" in text
    assert "kernel 6.1 \N{RIGHTWARDS ARROW} 6.2" in text


def test_the_page_draws_each_case_once_and_is_the_same_each_time(runs: Sequence[Run]) -> None:
    page = to_html(runs)
    assert page == to_html(runs)
    assert page.count('role="img"') == 1
    assert "p50 in ms, run by run: 10.0 (9.8 to 10.2), 12.0 (11.8 to 12.2)." in page
    assert "changed: artifact scunext-fp32" in page
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_runs_of_one_machine_make_a_history(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    folders = [
        make_run(tmp_path / f"run{day}", all_rows, created=f"2026-03-0{day}T10:00:00Z")
        for day in (1, 2)
    ]
    files = write_joint(folders, tmp_path / "out")
    assert files.html == tmp_path / "out" / "history.html"
    page = files.html.read_text(encoding="utf-8")
    assert "Example CPU &lt;x&gt;" in page
    assert "Example CPU <x>" not in page


def test_without_the_extra_there_is_the_text(
    make_run: Callable[..., Path],
    all_rows: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    folders = [make_run(tmp_path / name, all_rows) for name in ("a", "b")]
    files = write_joint(folders, tmp_path / "out", over_time=True)
    assert files.html is None
    assert "pip install 'scunext-edge[report]'" in files.lines[1]
    assert files.markdown.is_file()
