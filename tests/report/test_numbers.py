from __future__ import annotations

import pytest

from scunext_edge.report import numbers


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.012"), (4.123, "4.12"), (41.27, "41.3"), (1183.4, "1183")]
)
def test_milliseconds_carry_three_digits(value: float, text: str) -> None:
    assert numbers.milliseconds(value) == text


def test_median_and_spread_share_their_decimals() -> None:
    assert numbers.with_spread(4.1234, 0.06) == "4.12 ± 0.06"
    assert numbers.with_spread(24.61, 0.004) == "24.610 ± 0.004"
    assert numbers.with_spread(1183.4, 21.3) == "1183 ± 21"
    assert numbers.with_spread(4.0, 0.0) == "4.00 ± 0.00"


def test_a_gain_has_a_real_minus_and_zero_has_none() -> None:
    assert numbers.drop(-0.00123) == "\N{MINUS SIGN}0.0012"
    assert numbers.drop(0.0012) == "0.0012"
    assert numbers.drop(-0.00001) == "0.0000"


def test_units_follow_the_size() -> None:
    assert numbers.size(1_020_000) == "1.02 MB"
    assert numbers.size(312_000) == "312 kB"
    assert numbers.cost(98_304_000) == "98.3 M"
    assert numbers.ratio(123.4) == "123"
