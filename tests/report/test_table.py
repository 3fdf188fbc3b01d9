from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from scunext_edge.report import table
from scunext_edge.results import Latency, Row


@pytest.fixture
def row(make_row: Callable[..., Row]) -> Row:
    return make_row("scunext", "native", "int8")


@pytest.fixture
def latency(make_latency: Callable[..., Latency]) -> Latency:
    return make_latency(5.0)


def test_p50_stands_with_its_interval(row: Row, latency: Latency) -> None:
    assert table.p50(replace(row, latency_ms=latency)) == "5.00 (4.90 to 5.10)"
    alone = replace(latency, median_interval=None)
    assert table.p50(replace(row, latency_ms=alone)) == "5.00"
    assert table.p50(replace(row, latency_ms=None)) is None


@pytest.mark.parametrize(
    ("values", "bound", "text"), [(1000, 8.0, "7.00"), (999, 8.0, "< 8.00"), (300, None, None)]
)
def test_p99_is_shown_where_there_are_values_enough_else_its_bound(
    values: int, bound: float | None, text: str | None, row: Row, latency: Latency
) -> None:
    latency = replace(latency, n=values, p99_bound=bound)
    assert table.p99(replace(row, latency_ms=latency)) == text


def test_a_column_is_shown_when_any_row_has_something_to_say(row: Row) -> None:
    heads = [column.head for column in table.columns([row])]
    optional = {"cold start, ms", "energy, mJ", "of the limit"}
    assert not optional & set(heads)
    told = replace(row, cold_start_ms=210.0, energy_mj=3.2, limit_share=0.41, bound_by="memory")
    found = {column.head: column for column in table.columns([row, told])}
    assert optional <= set(found)
    assert found["energy, mJ"].text(told) == "3.20"
    assert found["energy, mJ"].text(row) is None
    share = found["of the limit"]
    assert (share.text(told), share.below and share.below(told)) == ("41%", "memory")
    assert table.limit(told) == "41% (memory)"


def test_a_bound_stands_below_its_drop(row: Row) -> None:
    scored = replace(row, dice_drop=-0.0007, dice_drop_upper=0.0004)
    (drop,) = (it for it in table.columns([scored]) if (it.group, it.head) == ("Dice", "drop"))
    assert (drop.text(scored), drop.below and drop.below(scored)) == (
        "\N{MINUS SIGN}0.0007",
        "\N{LESS-THAN OR EQUAL TO} 0.0004",
    )
    assert drop.below is not None
    assert drop.below(row) is None
