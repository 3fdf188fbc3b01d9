"""Accuracy from experiments stands by itself: no ranking, no axis and no table with another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scunext_edge.report import accuracy
from scunext_edge.report.html import to_html
from scunext_edge.report.markdown import to_markdown
from scunext_edge.report.records import Run
from scunext_edge.report.tradeoff import tradeoff
from scunext_edge.report.trainings import trained
from scunext_edge.report.verdict import judge
from scunext_edge.results import Latency, Row

BareRun = Callable[..., Run]


def by(protocol: str, *models: str, reduced: bool = False, size: int = 256) -> dict[str, Any]:
    """What an experiment says of networks: the first has Dice 0.8, each next one 0.01 more."""
    return {
        "file": f"{protocol}.json",
        "experiment": "table1",
        "protocol": protocol,
        "label": f"the {protocol} one",
        "reduced": reduced,
        "size": size,
        "data": {"name": "lesions", "images": 100},
        "splits": 3,
        "rows": [
            {
                "model": model,
                "trainings": 3,
                "dice": 0.8 + at / 100,
                "dice_sd": 0.0123,
                "iou": 0.7,
                "iou_sd": None,
            }
            for at, model in enumerate(models)
        ],
    }


@pytest.fixture
def rows(make_row: Callable[..., Row], make_latency: Callable[..., Latency]) -> list[Row]:
    """A scored network, and one that was only timed, on two engines."""
    bare = {"dice": None, "iou": None, "gate": None}
    return [
        make_row("scunext", "torch", "fp32", latency_ms=make_latency(10.0)),
        make_row("unet", "torch", "fp32", latency_ms=make_latency(90.0), **bare),
        make_row("unet", "native", "fp32", latency_ms=make_latency(40.0), **bare),
        make_row("unet", "native", "int8", latency_ms=make_latency(20.0), **bare),
    ]


def test_a_network_without_weights_has_the_accuracy_of_its_trainings(
    bare_run: BareRun, rows: list[Row]
) -> None:
    (found,) = trained(bare_run(rows, trainings=(by("fast", "unet", "scunext"),)))
    unet, scunext = found.lines
    assert unet[:4] == ["unet", "0.800 ± 0.012", "0.700", "3 of 3"]
    assert unet[4] is not None
    assert unet[4].startswith("40.0 (native")  # the faster FP32 row, not the INT8 one
    assert scunext[0] == "scunext"
    assert "100 images of lesions" in found.note
    assert "fast.json" in found.note


def test_a_spread_over_seeds_is_not_called_one_over_splits(
    bare_run: BareRun, rows: list[Row]
) -> None:
    group = by("fast", "unet")
    (before,) = trained(bare_run(rows, trainings=(group,)), drawn=True)
    (seeds,) = trained(bare_run(rows, trainings=({**group, "over": "seeds"},)), drawn=True)
    for found, over in ((before, "splits"), (seeds, "seeds")):
        assert f"standard deviation over {over}" in found.note
        assert found.picture is not None
        assert f"standard deviation over {over}" in found.picture.caption


def test_networks_that_were_not_timed_here_are_not_shown(
    bare_run: BareRun, rows: list[Row]
) -> None:
    (found,) = trained(bare_run(rows, trainings=(by("fast", "malunet", "unet"),)))
    assert [line[0] for line in found.lines] == ["unet"]
    assert trained(bare_run(rows, trainings=(by("fast", "malunet"),))) == []


def test_full_trainings_come_first_and_make_reduced_ones_needless(
    bare_run: BareRun, rows: list[Row]
) -> None:
    few = by("reduced", "scunext", "unet", reduced=True)
    whole, part = by("fast", "unet", "scunext"), by("fast", "scunext")
    assert [it.title for it in trained(bare_run(rows, trainings=(few, whole)))] == [
        "table1, protocol fast"
    ]
    titles = [it.title for it in trained(bare_run(rows, trainings=(few, part)))]
    assert titles == ["table1, protocol fast", "table1, reduced protocol reduced"]


def test_each_protocol_has_a_table_and_a_picture_of_its_own(
    bare_run: BareRun, rows: list[Row]
) -> None:
    trainings = (by("fast", "scunext"), by("few", "unet", "scunext", reduced=True))
    one, other = trained(bare_run(rows, trainings=trainings), drawn=True)
    assert [line[0] for line in one.lines] == ["scunext"]
    assert [line[0] for line in other.lines] == ["unet", "scunext"]
    assert one.picture is not None
    assert other.picture is not None
    assert "unet" not in one.picture.svg
    assert "table1, few" in other.picture.svg
    assert "reduced" in other.note
    assert "reduced" not in one.note


def test_a_dice_at_one_size_is_not_drawn_against_a_latency_at_another(
    bare_run: BareRun, rows: list[Row]
) -> None:
    small = by("few", "unet", reduced=True, size=128)
    (found,) = trained(bare_run(rows, trainings=(small,)), drawn=True)
    assert found.picture is None
    assert found.lines[0][4] is None
    assert "no latency beside it" in found.note


def test_neither_the_recommendation_nor_the_first_picture_looks_at_trainings(
    bare_run: BareRun, rows: list[Row]
) -> None:
    without = bare_run(rows)
    run = bare_run(rows, trainings=(by("fast", "unet", "scunext"),))
    assert judge(run).text == judge(without).text
    first, same = tradeoff(run), tradeoff(without)
    assert first is not None
    assert same is not None
    assert first.svg == same.svg
    assert accuracy.most_accurate(run.rows) == rows[0]


def test_the_report_tells_it_in_a_part_of_its_own(bare_run: BareRun, rows: list[Row]) -> None:
    run = bare_run(rows, trainings=(by("fast", "unet", "scunext"),))
    text, page = to_markdown(run), to_html(run)
    part = text.partition("## Accuracy of trainings")[2].partition("\n## ")[0]
    assert "| unet " in part
    assert "0.800 ± 0.012" in part
    assert "0.800 ± 0.012" not in text.replace(part, "")
    assert '<h2 id="trainings">' in page
    assert "0.800 ± 0.012" in page
    assert "Accuracy of trainings against latency" in page
    assert "Accuracy of trainings" not in to_markdown(bare_run(rows))
    assert 'id="trainings"' not in to_html(bare_run(rows))
