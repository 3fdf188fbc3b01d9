"""What is in the picture: two drawings that should differ do, and those that should not do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from scunext_edge.report.drawing import Figure
from scunext_edge.report.records import Run
from scunext_edge.report.tradeoff import tradeoff
from scunext_edge.results import Latency, Row

BareRun = Callable[..., Run]


@pytest.fixture
def rows(make_row: Callable[..., Row], make_latency: Callable[..., Latency]) -> list[Row]:
    return [
        make_row("scunext", "torch", "fp32", latency_ms=make_latency(10.0)),
        make_row("scunext", "native", "int8", latency_ms=make_latency(5.0), dice=0.79),
    ]


def drawn(run: Run, chosen: Row | None = None) -> Figure:
    figure = tradeoff(run, chosen)
    assert figure is not None
    return figure


def test_the_chosen_row_is_ringed(bare_run: BareRun, rows: list[Row]) -> None:
    run = bare_run(rows)
    assert ">chosen<" not in drawn(run).svg
    ringed = [drawn(run, row).svg for row in rows]
    assert all(">chosen<" in svg for svg in ringed)
    assert ringed[0] != ringed[1]


def test_bars_reach_as_far_as_the_intervals(
    bare_run: BareRun, rows: list[Row], make_latency: Callable[..., Latency]
) -> None:
    sure = drawn(bare_run(rows)).svg
    vague = replace(rows[1], latency_ms=make_latency(5.0, off=0.1))
    assert drawn(bare_run([rows[0], vague])).svg != sure
    without = replace(rows[1], latency_ms=make_latency(5.0, processes=1))
    assert drawn(bare_run([rows[0], without])).svg != sure


def test_bars_of_dice_are_those_of_the_paired_difference(
    bare_run: BareRun, rows: list[Row]
) -> None:
    run = bare_run(rows)
    same = dict.fromkeys(("a", "b", "c"), 0.8)
    all_alike = {rows[0].key: same, rows[1].key: dict.fromkeys(same, 0.79)}
    scattered = {rows[0].key: same, rows[1].key: {"a": 0.7, "b": 0.8, "c": 0.87}}
    assert drawn(replace(run, dice=all_alike)).svg != drawn(replace(run, dice=scattered)).svg


def test_rows_that_are_not_stable_are_hollow_and_said_to_be(
    bare_run: BareRun, rows: list[Row]
) -> None:
    stable = drawn(bare_run(rows))
    assert ">not stable<" not in stable.svg
    assert "Hollow" not in stable.caption
    figures = [
        drawn(bare_run([rows[0], replace(rows[1], stability=word)]))
        for word in ("unstable", "inconclusive")
    ]
    assert all(">not stable<" in it.svg and "Hollow" in it.caption for it in figures)
    assert figures[0].svg == figures[1].svg


def test_rows_that_may_not_be_compared_are_not_in_the_picture(
    bare_run: BareRun, rows: list[Row]
) -> None:
    odd = replace(rows[1], backend="openvino", threads=4)
    assert "openvino" not in drawn(bare_run([*rows, odd])).svg
    assert tradeoff(bare_run(rows, environment={"emulated": True})) is None


def test_the_narrow_drawing_has_ids_of_its_own_and_names_the_front(
    bare_run: BareRun, rows: list[Row]
) -> None:
    worse = replace(rows[1], backend="openvino", dice=0.7)
    figure = drawn(bare_run([*rows, worse]), rows[1])
    assert figure.narrow_svg is not None
    assert 'id="tradeoff-narrow-' in figure.narrow_svg
    assert "scunext INT8 qdq on native" in figure.narrow_svg
    assert "openvino INT8 qdq" in figure.svg
    assert "openvino INT8 qdq" not in figure.narrow_svg


def test_without_accuracy_there_is_no_picture(bare_run: BareRun, rows: list[Row]) -> None:
    assert tradeoff(bare_run([replace(row, dice=None) for row in rows])) is None
