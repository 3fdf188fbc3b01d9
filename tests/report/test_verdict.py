from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scunext_edge.report.records import read_run
from scunext_edge.report.verdict import Verdict, judge, speedup
from scunext_edge.results import Latency, Row

Judge = Callable[[Sequence[Row]], Verdict]


@pytest.fixture
def judged(make_run: Callable[..., Path], tmp_path: Path) -> Judge:
    return lambda rows: judge(read_run(make_run(tmp_path, rows, whole=False)))


def latency(median: float, *, mad: float = 0.1, region: str = "compute") -> Latency:
    return Latency(
        region=region,  # type: ignore[arg-type]
        median=median,
        mad=mad,
        p90=median,
        p99=median,
        n=60,
        processes=3,
    )


def words(verdict: Verdict) -> str:
    return " ".join([verdict.headline, *verdict.sentences, *verdict.remarks])


def test_the_fastest_is_the_fastest_that_passed(judged: Judge, all_rows: list[Row]) -> None:
    verdict = judged(all_rows)
    assert verdict.headline == "2 of 3 rows passed the accuracy gate"
    assert verdict.best is not None
    assert verdict.best.model == "unext"  # the failed nncf row is faster
    assert "3.0 times as fast as unext FP32 on torch" in words(verdict)
    assert "scunext on openvino INT8 nncf" in words(verdict)


def test_what_did_not_run_and_what_ran_otherwise_is_said(
    judged: Judge, all_rows: list[Row]
) -> None:
    text = words(judged(all_rows))
    assert "Of 8 rows, 1 could not run here and 1 failed" in text
    assert "scunext INT8 nncf on openvino was executed as FP32" in text
    assert "Of unet only the speed was measured" in text


def test_the_recommendation_stands_first(judged: Judge, all_rows: list[Row]) -> None:
    rows = [row for row in all_rows if row.model == "scunext"]
    verdict = judged(rows)
    assert verdict.text.startswith(verdict.recommendation.sentence)
    assert verdict.best is verdict.recommendation.row
    assert verdict.best is not None
    assert verdict.best.key == all_rows[1].key
    assert "values scatter by 9% of their median; p99 rests on 1 of 60 values" in verdict.text


def test_the_engine_s_own_fp32_is_the_baseline_where_it_ran(
    judged: Judge, all_rows: list[Row]
) -> None:
    own = replace(all_rows[3], backend="onnxruntime", gate="passed", latency_ms=latency(12.0))
    verdict = judged([*all_rows, own])
    assert verdict.baseline is not None
    assert verdict.baseline.key == own.key
    assert verdict.speedup == pytest.approx(2.0)


def test_no_ratio_between_different_regions_or_threads(all_rows: list[Row]) -> None:
    row, base = all_rows[4], all_rows[3]
    assert speedup(row, base) == pytest.approx(3.0)
    assert speedup(row, replace(base, threads=2)) is None
    assert speedup(row, replace(base, latency_ms=latency(18, region="end_to_end"))) is None
    assert speedup(row, replace(base, latency_ms=None)) is None


def test_the_refused_ratio_is_explained(judged: Judge, all_rows: list[Row]) -> None:
    rows = [all_rows[4], replace(all_rows[3], threads=2)]
    assert "not measured in the same way, so no ratio is given" in words(judged(rows))


def test_rows_that_may_not_be_compared_are_not_the_fastest(
    judged: Judge, all_rows: list[Row]
) -> None:
    rival = replace(all_rows[1], backend="openvino", threads=4, latency_ms=latency(0.1))
    verdict = judged([*all_rows, rival])
    assert verdict.best is not None
    assert verdict.best.threads == 1
    assert "openvino" not in " ".join(verdict.sentences)


def test_a_reference_that_is_faster_is_not_hidden(judged: Judge, all_rows: list[Row]) -> None:
    rows = [replace(all_rows[3], latency_ms=latency(2.0)), all_rows[4]]
    assert "The FP32 reference unext FP32 on torch, at 2.00 ± 0.10 ms" in words(judged(rows))


def test_without_accuracy_nothing_is_called_safe(judged: Judge, all_rows: list[Row]) -> None:
    verdict = judged([all_rows[5]])
    assert verdict.headline.startswith("Speed only")
    assert verdict.best is None
    assert "unet FP32 on onnxruntime, at 450" in words(verdict)


def test_nothing_measured_is_said_so(judged: Judge, all_rows: list[Row]) -> None:
    assert judged(all_rows[6:]).headline == "Nothing was measured"
    assert judged([]).headline == "Nothing was measured"


def test_none_that_passed(judged: Judge, all_rows: list[Row]) -> None:
    verdict = judged([all_rows[0], all_rows[2], replace(all_rows[1], gate="failed")])
    assert verdict.headline == "None of 2 rows passed the accuracy gate"
    assert verdict.best is not None
    assert verdict.best.gate == "reference"  # FP32 itself may always be shipped
