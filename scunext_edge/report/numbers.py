"""Numbers as people read them: as many digits as the measurement carries, no more."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"


def milliseconds(value: float) -> str:
    """Three significant digits, at most three decimals."""
    return f"{value:.{_decimals(value, significant=3)}f}"


def pixels(value: float) -> str:
    """A distance in a picture: three significant digits."""
    return milliseconds(value)


def with_spread(median: float, mad: float) -> str:
    """A median and its deviation, with the same decimals."""
    decimals = max(_decimals(median, significant=3), _decimals(mad, significant=1) if mad else 0)
    return f"{median:.{decimals}f} ± {mad:.{decimals}f}"


def within(value: float, low: float, high: float) -> tuple[str, str, str]:
    """A value and the ends of its interval, with decimals enough to tell them apart."""
    reach = max(high - value, value - low)
    wanted = _decimals(reach, significant=1) if reach > 0 else 0
    decimals = min(3, max(_decimals(value, significant=3), wanted))
    return f"{value:.{decimals}f}", f"{low:.{decimals}f}", f"{high:.{decimals}f}"


def score(value: float) -> str:
    """A mean over some hundred images: the third decimal is about as far as it goes."""
    return f"{value:.3f}"


def drop(value: float) -> str:
    """A paired difference, which is known to a finer grain than the scores it came from."""
    text = f"{abs(value):.4f}"
    return f"{MINUS}{text}" if value < 0 and float(text) else text


def times(value: float) -> str:
    """How many times as much, where a few percent matter."""
    return f"{value:.2f}" if value < 10 else milliseconds(value)


def count(value: float) -> str:
    """A whole number with thousands separators."""
    return f"{value:,.0f}"


def cost(value: float) -> str:
    """Operations or parameters, with M or G: three significant digits."""
    for unit, factor in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= factor:
            return f"{milliseconds(value / factor)} {unit}"
    return f"{value:g}"


def size(value: float) -> str:
    """Bytes in decimal units."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{milliseconds(value / factor)} {unit}"
    return f"{value:.0f} B"


def ratio(value: float) -> str:
    """Two significant digits, and never ``1e+02``."""
    return f"{value:.{_decimals(value, significant=2)}f}"


def _decimals(value: float, *, significant: int) -> int:
    if value == 0:
        return 0
    return min(3, max(0, significant - 1 - math.floor(math.log10(abs(value)))))
