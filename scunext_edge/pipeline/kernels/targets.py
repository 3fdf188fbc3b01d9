"""What the engine is meant to reach, and whether it does: the targets are data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Row = Mapping[str, Any]


class Ratio(NamedTuple):
    """Native against the fastest variant of another engine: how many times as fast."""

    precision: str
    engine: str
    other_precision: str


class Wanted(NamedTuple):
    """A ratio that is aimed at, one thread, 256 x 256, where native runs on ``isa``."""

    ratio: Ratio
    at_least: float
    isa: str


class Limit(NamedTuple):
    """A target for one number of a network; ``rows`` of the record hold it under ``field``."""

    name: str
    precision: str
    size: int
    field: str
    at_least: float | None = None
    at_most: float | None = None


RATIOS = (
    Ratio("int8", "openvino", "int8"),
    Ratio("fp32", "openvino", "fp32"),
    Ratio("fp32", "mnn", "fp32"),
)
WANTED = (
    Wanted(RATIOS[0], 5.0, "avx512vnni"),
    Wanted(RATIOS[1], 2.2, "avx512vnni"),
    Wanted(RATIOS[2], 1.5, "avx512vnni"),
    Wanted(RATIOS[0], 2.0, "avx2"),
    Wanted(RATIOS[1], 2.0, "avx2"),
)
WANTED_AT = {"size": 256, "threads": 1}
LIMITS = (
    Limit("share of the arithmetic limit", "int8", 256, "peak_share", at_least=0.6),
    Limit("share of the arithmetic limit", "fp32", 256, "peak_share", at_least=0.8),
    Limit("two threads against one", "int8", 512, "speedup", at_least=1.7),
    Limit("two threads against one", "fp32", 512, "speedup", at_least=1.7),
    Limit("peak memory of a C process, bytes", "int8", 256, "peak_rss_bytes", at_most=30e6),
    Limit("peak memory of a C process, bytes", "fp32", 256, "peak_rss_bytes", at_most=30e6),
    Limit("library and model, bytes", "int8", 256, "deployed_bytes", at_most=1e6),
    Limit("load to first mask, ms", "int8", 256, "load_to_first_mask_ms", at_most=20),
)
_CALLED = {"avx512vnni": "AVX-512 VNNI", "avx2": "AVX2"}


def ratios(rows: Sequence[Row], *, isa: str, instructions: Sequence[str]) -> list[dict[str, Any]]:
    """Every ratio of every group, with the targets that are meant for it.

    ``isa`` is what native ran on, ``instructions`` are what the processor has.
    """
    groups = dict.fromkeys((row["model"], row["size"], row["threads"]) for row in rows)
    found: list[dict[str, Any]] = []
    for group in groups:
        mine = [row for row in rows if (row["model"], row["size"], row["threads"]) == group]
        for ratio in RATIOS:
            found += _ratio(ratio, group, mine, isa, instructions)
    return found


def checks(
    rows: Sequence[Row], stages: Sequence[Row], footprints: Sequence[Row]
) -> list[dict[str, Any]]:
    """Every limit for every network; a number that is not there is null and says nothing."""
    known = _numbers(rows, stages, footprints)
    models = dict.fromkeys(row["model"] for row in rows)
    return [
        {
            "name": limit.name,
            "model": model,
            "size": limit.size,
            "precision": limit.precision,
            "at_least": limit.at_least,
            "at_most": limit.at_most,
            "value": (value := known.get((model, limit.size, limit.precision, limit.field))),
            "met": _met(value, limit),
        }
        for limit in LIMITS
        for model in models
    ]


def _ratio(
    ratio: Ratio,
    group: tuple[str, int, int],
    rows: Sequence[Row],
    isa: str,
    instructions: Sequence[str],
) -> Iterator[dict[str, Any]]:
    ours = _fastest(rows, "native", ratio.precision)
    others = _fastest(rows, ratio.engine, ratio.other_precision)
    measured = ours is not None and others is not None
    row = {
        **dict(zip(("model", "size", "threads"), group, strict=True)),
        **ratio._asdict(),
        "variant": others["variant"] if others else None,
        "ratio": others["ms_min"] / ours["ms_min"] if ours and others else None,
        "ratio_of_medians": others["ms_median"] / ours["ms_median"] if ours and others else None,
        "target": None,
        "isa": None,
        "met": None,
        "remark": None if measured else "not measured",
    }
    wanted = [it for it in WANTED if it.ratio == ratio] if _counts(row) else []
    for it in wanted:
        reason = _unmeasurable(it.isa, isa, instructions)
        met = row["ratio"] >= it.at_least if measured and not reason else None
        yield {
            **row,
            "target": it.at_least,
            "isa": it.isa,
            "met": met,
            "remark": reason or row["remark"],
        }
    if not wanted:
        yield row


def _counts(row: Row) -> bool:
    return all(row[name] == value for name, value in WANTED_AT.items())


def _unmeasurable(wanted: str, isa: str, instructions: Sequence[str]) -> str | None:
    """Why a target says nothing about this run."""
    if wanted == isa:
        return None
    if wanted == "avx512vnni" and "avx512_vnni" not in instructions:
        return f"not measurable here: the processor has no {_CALLED[wanted]}"
    return f"native ran on {isa}; run with --isa {wanted}"


def _fastest(rows: Sequence[Row], engine: str, precision: str) -> Row | None:
    """Of all variants."""
    fitting = [row for row in rows if (row["engine"], row["precision"]) == (engine, precision)]
    return min(fitting, key=lambda row: float(row["ms_min"]), default=None)


def _numbers(
    rows: Sequence[Row], stages: Sequence[Row], footprints: Sequence[Row]
) -> dict[tuple[str, int, str, str], float | None]:
    known: dict[tuple[str, int, str, str], float | None] = {}
    native = [row for row in rows if row["engine"] == "native"]

    def note(row: Row, field: str, value: float | None) -> None:
        known[row["model"], row["size"], row["precision"], field] = value

    def alone(row: Row) -> Callable[[Row], bool]:
        names = ("model", "size", "precision")
        return lambda it: it["threads"] == 1 and all(it[name] == row[name] for name in names)

    for row in native:
        single = next(filter(alone(row), native), None)
        if row["threads"] == 2 and single:
            note(row, "speedup", single["ms_min"] / row["ms_min"])
    for row in stages:
        single = next(filter(alone(row), native), None)
        note(row, "peak_share", row["limit_ms"] / single["ms_min"] if single else None)
    for row in footprints:
        for field in ("peak_rss_bytes", "load_to_first_mask_ms"):
            note(row, field, row[field])
        note(row, "deployed_bytes", row["library_bytes"] + row["model_bytes"])
    return known


def _met(value: float | None, limit: Limit) -> bool | None:
    if value is None:
        return None
    least, most = limit.at_least, limit.at_most
    return (least is None or value >= least) and (most is None or value <= most)
