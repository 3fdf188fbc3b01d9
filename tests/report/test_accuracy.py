from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from scunext_edge.report import accuracy
from scunext_edge.report.records import Run
from scunext_edge.results import Row


@pytest.fixture
def rows(make_row: Callable[..., Row]) -> list[Row]:
    return [
        make_row("scunext", "torch", "fp32", dice=0.80),
        make_row("unext", "torch", "fp32", dice=0.78),
        make_row("scunext", "native", "int8", dice=0.79, dice_drop_upper=0.004),
    ]


def test_a_loss_is_paired_and_has_a_bound_on_either_side(
    bare_run: Callable[..., Run], rows: list[Row]
) -> None:
    theirs = {"a": 0.9, "b": 0.6, "c": 0.8, "d": 0.7}
    ours = {"a": 0.9, "b": 0.6, "c": 0.7, "d": 0.7}
    run = bare_run(rows, dice={rows[0].key: theirs, rows[1].key: ours})
    found = accuracy.loss(run, rows[1], against=rows[0])
    assert found is not None
    assert found.mean == pytest.approx(0.025)
    assert found.images == 4
    # of 4 draws, the image that lost is at most 3 times among them in 95 % of all resamples
    assert (found.lower, found.upper) == (pytest.approx(0.0), pytest.approx(0.075))


def test_other_images_are_no_pair(bare_run: Callable[..., Run], rows: list[Row]) -> None:
    run = bare_run(rows, dice={rows[0].key: {"a": 0.9}, rows[1].key: {"b": 0.9}})
    assert accuracy.loss(run, rows[1], against=rows[0]) is None
    assert accuracy.loss(run, rows[2], against=rows[0]) is None


def test_the_most_accurate_is_the_best_reference(rows: list[Row]) -> None:
    assert accuracy.most_accurate([rows[1], rows[0]]) is rows[0]
    higher = replace(rows[2], dice=0.9)
    assert accuracy.most_accurate([*rows, higher]) is rows[0]
    assert accuracy.most_accurate([replace(rows[0], dice=None), rows[1]]) is rows[1]
    assert accuracy.most_accurate(rows[2:]) is None


def test_the_floor_of_dice_is_the_reference_less_the_bound(rows: list[Row]) -> None:
    assert accuracy.dice_floor(rows[0], rows) == 0.80
    assert accuracy.dice_floor(rows[2], rows) == pytest.approx(0.796)
    assert accuracy.dice_floor(rows[2], rows[1:]) is None


def test_the_limit_is_that_of_dice(bare_run: Callable[..., Run]) -> None:
    assert accuracy.limit(bare_run([], gate={"limits": {"iou": 0.1, "dice": 0.02}})) == 0.02
    assert accuracy.limit(bare_run([], gate={"metric": "dice", "limit": 0.01})) == 0.01
    assert accuracy.limit(bare_run([], gate={"metric": "iou", "limit": 0.01})) == 0.005
