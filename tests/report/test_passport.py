from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scunext_edge.report.passport import passport
from scunext_edge.report.records import Run, read_run
from scunext_edge.results import Row


@pytest.fixture
def told(make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path) -> Callable[..., Run]:
    """Three rows of three processes each; the environments are given by row."""

    def read(*environments: dict[str, Any]) -> Run:
        run = read_run(make_run(tmp_path, all_rows[:3], whole=not list(tmp_path.iterdir())))
        records = {
            row.key: replace(
                run.measurements[row.key],
                runs=tuple(
                    replace(it, environment={"machine": {}, "before": {}, "after": {}, **told})
                    for it in run.measurements[row.key].runs
                ),
            )
            for row, told in zip(run.rows, environments, strict=True)
        }
        return replace(run, measurements=records, environment={"governor": None, "os": "Debian"})

    return read


def test_without_conditions_there_is_no_passport(told: Callable[..., Run]) -> None:
    assert passport(told({}, {}, {})) is None


def test_what_all_share_is_said_once_and_not_what_stands_above(told: Callable[..., Run]) -> None:
    machine = {"os": "Debian", "governor": None, "power_source": "battery", "fan": None}
    found = passport(told(*[{"machine": machine}] * 3))
    assert found is not None
    assert found.shared == [("power source", "battery")]
    assert found.silent == ["fan"]  # the governor is missing above already
    assert found.heads == []


def test_what_differs_from_most_rows_is_marked(told: Callable[..., Run]) -> None:
    usual, odd = {"machine": {"turbo": True}}, {"machine": {"turbo": False}}
    found = passport(told(usual, odd, usual))
    assert found is not None
    assert found.heads == ["turbo"]
    cells = [cells[0] for _, cells in found.rows]
    assert [(it.text, it.differs) for it in cells] == [
        ("yes", False),
        ("no", True),
        ("yes", False),
    ]


def test_where_no_two_rows_agree_none_is_marked(told: Callable[..., Run]) -> None:
    found = passport(told(*({"machine": {"clock_max_khz": khz}} for khz in (1e6, 2e6, 3e6))))
    assert found is not None
    assert not any(cell.differs for _, cells in found.rows for cell in cells)


def test_a_row_that_does_not_tell_stays_null_beside_one_that_does(
    told: Callable[..., Run],
) -> None:
    found = passport(told({"machine": {"turbo": True}}, {"machine": {"turbo": None}}, {}))
    assert found is not None
    assert [cells[0].text for _, cells in found.rows] == ["yes", None, None]


def test_before_and_after_are_ranges_and_counters_are_left_out(told: Callable[..., Run]) -> None:
    before = {"temperature_c": 41, "clock_khz": [2_400_000, 3_100_000], "own_cpu_s": 1.0}
    after = {"temperature_c": 55, "clock_khz": [2_400_000, 3_100_000], "own_cpu_s": 9.0}
    found = passport(told(*[{"before": before, "after": after}] * 3))
    assert found is not None
    assert found.heads == ["temperature", "clock"]
    assert [it.text for it in found.rows[0][1]] == [
        "41 °C \N{RIGHTWARDS ARROW} 55 °C",
        "2.40 GHz to 3.10 GHz",
    ]


def test_versions_are_told_of_what_is_installed(told: Callable[..., Run]) -> None:
    found = passport(told(*[{"versions": {"onnxruntime": "1.32.0", "openvino": None}}] * 3))
    assert found is not None
    assert found.shared == [("version of onnxruntime", "1.32.0")]
    assert found.silent == []


def test_each_of_several_gpus_has_columns_of_its_own(told: Callable[..., Run]) -> None:
    before = {"gpus": [{"power_w": 40.0}, {"power_w": 60.0}]}
    found = passport(told(*[{"before": before}] * 3))
    assert found is not None
    assert found.heads == ["gpus 1 power", "gpus 2 power"]
    alone = passport(told(*[{"before": {"gpus": before["gpus"][:1]}}] * 3))
    assert alone is not None
    assert (alone.heads, alone.rows[0][1][0].text) == (["gpus power"], "40 W")


def test_nested_conditions_and_words_are_shown(told: Callable[..., Run]) -> None:
    before = {"gpu": {"throttle": "none", "power_w": None}}
    after = {"gpu": {"throttle": ["thermal"], "power_w": 12.5}}
    found = passport(told(*[{"before": before, "after": after}] * 3))
    assert found is not None
    assert found.heads == ["GPU throttle", "GPU power"]
    assert [it.text for it in found.rows[0][1]] == [
        "none \N{RIGHTWARDS ARROW} thermal",
        "not told \N{RIGHTWARDS ARROW} 12.5 W",
    ]
