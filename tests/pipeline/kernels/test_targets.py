"""Ratios and limits on made-up records: what is compared with what, and what says nothing."""

from __future__ import annotations

import pytest

from scunext_edge.pipeline.kernels import targets

VNNI, PLAIN = ["avx2", "avx512_vnni"], ["avx2"]


@pytest.fixture
def rows(make_row):
    return [
        make_row("native", "int8", 1.0),
        make_row("native", "fp32", 4.0),
        make_row("openvino", "int8", 9.0, "nncf"),
        make_row("openvino", "int8", 6.0, "qdq"),
        make_row("openvino", "fp32", 8.0),
    ]


def found(ratios, precision, engine, isa=None):
    (row,) = [
        it
        for it in ratios
        if (it["precision"], it["engine"]) == (precision, engine)
        and (isa is None or it["isa"] == isa)
    ]
    return row


def test_a_ratio_is_taken_against_the_fastest_variant(rows):
    ratios = targets.ratios(rows, isa="avx512vnni", instructions=VNNI)
    row = found(ratios, "int8", "openvino", "avx512vnni")
    assert (row["ratio"], row["ratio_of_medians"], row["variant"]) == (6.0, 6.0, "qdq")
    assert (row["target"], row["met"], row["remark"]) == (5.0, True, None)


@pytest.mark.parametrize(("ms", "met"), [(1.2, True), (1.21, False)])
def test_a_target_is_met_from_its_own_value_on(rows, ms, met):
    rows[0] = {**rows[0], "ms_min": ms}
    ratios = targets.ratios(rows, isa="avx512vnni", instructions=VNNI)
    assert found(ratios, "int8", "openvino", "avx512vnni")["met"] is met


def test_a_target_of_another_instruction_set_is_not_judged(rows):
    ratios = targets.ratios(rows, isa="avx512vnni", instructions=VNNI)
    row = found(ratios, "int8", "openvino", "avx2")
    assert (row["ratio"], row["met"]) == (6.0, None)
    assert row["remark"] == "native ran on avx512vnni; run with --isa avx2"


def test_a_target_that_this_processor_cannot_show_says_so(rows):
    ratios = targets.ratios(rows, isa="avx2", instructions=PLAIN)
    row = found(ratios, "int8", "openvino", "avx512vnni")
    assert (row["met"], row["remark"]) == (
        None, "not measurable here: the processor has no AVX-512 VNNI",
    )  # fmt: skip
    assert found(ratios, "int8", "openvino", "avx2")["met"] is True


def test_an_engine_that_was_not_measured_is_no_ratio(rows):
    row = found(targets.ratios(rows, isa="avx512vnni", instructions=VNNI), "fp32", "mnn")
    assert (row["ratio"], row["met"], row["remark"]) == (None, None, "not measured")


@pytest.mark.parametrize("changes", [{"size": 512}, {"threads": 2}])
def test_elsewhere_a_ratio_has_no_target(rows, changes):
    other = [{**row, **changes} for row in rows]
    ratios = targets.ratios(other, isa="avx512vnni", instructions=VNNI)
    assert len(ratios) == len(targets.RATIOS)
    assert {(row["target"], row["met"]) for row in ratios} == {(None, None)}
    assert found(ratios, "fp32", "openvino")["ratio"] == 2.0


def test_groups_are_not_mixed(rows):
    rows = [rows[0], *({**row, "threads": 2} for row in rows[1:])]
    ratios = targets.ratios(rows, isa="avx512vnni", instructions=VNNI)
    assert {row["ratio"] for row in ratios if row["precision"] == "int8"} == {None}


def check(checks, name, precision="int8"):
    (row,) = [it for it in checks if (it["name"], it["precision"]) == (name, precision)]
    return row


def test_two_threads_are_compared_with_one_of_the_same_form(make_row):
    rows = [
        make_row("native", "int8", ms, size=size, threads=threads)
        for size, threads, ms in ((512, 2, 2.0), (512, 1, 3.4), (256, 2, 0.1))
    ]
    row = check(targets.checks(rows, [], []), "two threads against one")
    assert (row["value"], row["met"]) == (1.7, True)
    assert check(targets.checks(rows, [], []), "two threads against one", "fp32")["met"] is None


def test_the_share_of_the_limit_is_of_the_whole_run_on_one_thread(make_row):
    rows = [make_row("native", "int8", 1.0), make_row("native", "int8", 0.1, threads=2)]
    stages = [{"model": "unext", "size": 256, "precision": "int8", "limit_ms": 0.6}]
    row = check(targets.checks(rows, stages, []), "share of the arithmetic limit")
    assert (row["value"], row["met"]) == (0.6, True)
    stages[0]["limit_ms"] = 0.59
    assert not check(targets.checks(rows, stages, []), "share of the arithmetic limit")["met"]


def test_limits_on_bytes_are_judged_and_what_is_null_says_nothing(make_row):
    footprint = {
        "model": "unext", "size": 256, "precision": "int8", "library_bytes": 700_000,
        "model_bytes": 300_001, "peak_rss_bytes": None, "load_to_first_mask_ms": 20.0,
    }  # fmt: skip
    checks = targets.checks([make_row("native", "int8", 1.0)], [], [footprint])
    assert check(checks, "library and model, bytes")["met"] is False
    assert check(checks, "load to first mask, ms")["met"] is True
    assert check(checks, "peak memory of a C process, bytes")["met"] is None
