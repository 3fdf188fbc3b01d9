"""Made-up rows in, a sentence out: the rule of docs/measuring.md, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scunext_edge.report import accuracy
from scunext_edge.report.choice import choose, how_many_times, told_apart
from scunext_edge.report.recommendation import Recommendation, recommend
from scunext_edge.report.records import Run
from scunext_edge.results import Latency, Row

MakeRow = Callable[..., Row]
MakeLatency = Callable[..., Latency]
BareRun = Callable[..., Run]


@pytest.fixture
def rows(make_row: MakeRow, make_latency: MakeLatency) -> list[Row]:
    """A reference, a quantized form that is twice as fast, and one on another engine between."""
    kept: dict[str, Any] = {"dice_drop": 0.0004, "dice_drop_upper": 0.001, "dice": 0.7996}
    return [
        make_row("scunext", "torch", "fp32", latency_ms=make_latency(10.0)),
        make_row("scunext", "native", "int8", latency_ms=make_latency(5.0), **kept),
        make_row("scunext", "openvino", "int8", latency_ms=make_latency(7.0), **kept),
    ]


def words(found: Recommendation) -> str:
    return " ".join((found.headline, found.text))


def test_the_lowest_upper_end_is_recommended_with_its_reasons(
    bare_run: BareRun, rows: list[Row]
) -> None:
    found = recommend(bare_run(rows))
    assert (found.state, found.row, found.runner_up) == ("recommended", rows[1], rows[2])
    assert found.headline == "Recommended: scunext INT8 qdq on native"
    assert found.sentence == (
        "For Example CPU, ship scunext INT8 qdq on native: p50 5.00 ms (95 %: 4.90 to 5.10) per "
        "image (compute, 1 thread), mean Dice 0.800, at most 0.0010 below FP32 (95 %)."
    )
    assert found.reasons == [
        "It passed the accuracy gate, which allows a loss of 0.005 Dice.",
        "Of the 3 rows that may be shipped, its p50 has the lowest upper end.",
    ]
    assert found.certainty == [
        "The next, scunext INT8 qdq on openvino, takes 1.40 times the p50 of this row (95 %: 1.37 "
        "to 1.43): the two are told apart.",
        "Its latency is stable: 5 processes agree.",
        "Dice rests on 3 images: against FP32 it lost 0.0004, at most 0.0010 with 95 % confidence.",
    ]
    assert found.missing == []


def test_an_uncertain_row_is_judged_by_its_upper_end(
    bare_run: BareRun, rows: list[Row], make_latency: MakeLatency
) -> None:
    vague = replace(rows[1], latency_ms=make_latency(4.0, off=0.9))
    surer = replace(rows[2], dice_drop_upper=-0.01)
    assert choose(bare_run([rows[0], vague, surer])).candidates[0] is surer
    assert recommend(bare_run([rows[0], vague, surer])).row is surer


def test_the_ratio_s_interval_is_that_of_both(make_row: MakeRow, make_latency: MakeLatency) -> None:
    slow = make_row("scunext", "torch", "fp32", latency_ms=make_latency(12.0))
    fast = make_row("scunext", "native", "fp32", latency_ms=make_latency(6.0))
    found = how_many_times(slow, fast)
    assert found is not None
    assert found.value == pytest.approx(2.0)
    # two errors of log(1.02) / t(4 degrees) each, eight degrees for both: between 1 and sqrt(2)
    low, high = found.interval()
    assert low == pytest.approx(2 / 1.0235, rel=2e-3)
    assert high == pytest.approx(2 * 1.0235, rel=2e-3)


@pytest.mark.parametrize(
    ("median", "off", "apart"),
    [
        (10.5, 0.01, True),
        (10.5, 0.10, False),  # the interval of the ratio holds 1
        (10.2, 0.001, False),  # certain, and too small to matter
        (9.0, 0.001, False),  # it is the faster of the two
    ],
)
def test_what_is_told_apart(
    median: float, off: float, apart: bool, make_row: MakeRow, make_latency: MakeLatency
) -> None:
    one = make_row("scunext", "torch", "fp32", latency_ms=make_latency(median, off=off))
    ten = make_row("scunext", "native", "fp32", latency_ms=make_latency(10.0, off=off))
    assert told_apart(one, ten) is apart


@pytest.mark.parametrize(
    ("better", "tie_break"),
    [
        ({"dice_drop_upper": -0.002}, "the higher bound of Dice (0.802 against 0.799)"),
        ({"memory_mb": 20.0}, "the smaller memory (20 MB against 61 MB)"),
        ({"size_bytes": 200_000}, "the smaller size (200 kB against 310 kB)"),
        ({}, None),
    ],
)
def test_rows_that_speed_does_not_tell_apart_are_told_apart_by_what_matters_next(
    better: dict[str, Any],
    tie_break: str | None,
    bare_run: BareRun,
    rows: list[Row],
    make_latency: MakeLatency,
) -> None:
    rival = replace(rows[2], latency_ms=make_latency(5.05), **better)
    choice = choose(bare_run([rows[0], rows[1], rival]))
    if not better:
        assert choice.row is rows[1]  # the lower upper end, when all else is equal
        return
    assert choice.row is rival
    assert choice.tied_with == [rows[1]]
    assert choice.tie_break == tie_break
    found = recommend(bare_run([rows[0], rows[1], rival]))
    assert f"(scunext on native INT8 qdq); {tie_break} decided" in words(found)
    assert "Speed does not tell it from scunext INT8 qdq on native" in words(found)


def test_what_was_not_measured_cannot_speak_for_a_row(
    bare_run: BareRun, rows: list[Row], make_latency: MakeLatency
) -> None:
    unknown = replace(rows[1], memory_mb=None, size_bytes=None)
    rival = replace(rows[2], latency_ms=make_latency(5.05))
    choice = choose(bare_run([rows[0], unknown, rival]))
    assert choice.row is rival
    assert choice.tie_break == "the smaller memory (61 MB against not known)"


def test_a_failed_gate_and_an_unstable_row_are_passed_over_and_named(
    bare_run: BareRun, rows: list[Row], make_latency: MakeLatency
) -> None:
    failed = replace(rows[1], gate="failed", latency_ms=make_latency(1.0))
    shaky = replace(
        rows[1],
        backend="onnxruntime",
        latency_ms=make_latency(2.0),
        stability="unstable",
        stability_reasons=("the machine drifted",),
    )
    found = recommend(bare_run([rows[0], failed, shaky, rows[2]]))
    assert found.row is rows[2]
    assert (
        "scunext INT8 qdq on native is faster (1.00 ms) and was left out: did not pass the "
        "accuracy gate." in found.reasons
    )
    assert (
        "scunext INT8 qdq on onnxruntime is faster (2.00 ms) and was left out: its latency is "
        "unstable: the machine drifted." in found.reasons
    )
    assert found.reasons[-1] == (
        "Rows left out: 1 not passed by the gate or not scored; 1 unstable."
    )


def test_a_faster_network_that_is_less_accurate_is_not_recommended(
    bare_run: BareRun, rows: list[Row], make_row: MakeRow, make_latency: MakeLatency
) -> None:
    fast = make_row("unext", "native", "fp32", latency_ms=make_latency(1.0), dice=0.78)
    found = recommend(bare_run([*rows, fast]))
    assert found.row is rows[1]
    assert "its mean Dice is 0.0200 lower than that of scunext FP32 on torch" in words(found)
    assert "more than the 0.005 that the gate allows" in words(found)
    close = replace(fast, dice=0.798)
    found = recommend(bare_run([*rows, close]))
    assert found.row is close
    assert "at most 0.0020 Dice below it" in words(found)


def test_another_network_has_to_show_it_and_not_only_to_look_it(
    bare_run: BareRun, rows: list[Row], make_row: MakeRow, make_latency: MakeLatency
) -> None:
    fast = make_row("unext", "native", "fp32", latency_ms=make_latency(1.0), dice=0.798)
    run = bare_run([*rows, fast])
    names = list(run.dice[rows[0].key])
    scattered = dict(zip(names, (0.77, 0.80, 0.824), strict=True))  # 0.798 on average
    found = recommend(replace(run, dice={**run.dice, fast.key: scattered}))
    assert found.row is rows[1]
    assert "its mean Dice is 0.0020 lower" in words(found)


def test_without_scores_per_image_another_network_is_not_trusted(
    bare_run: BareRun, rows: list[Row], make_row: MakeRow, make_latency: MakeLatency
) -> None:
    fast = make_row("unext", "native", "fp32", latency_ms=make_latency(1.0), dice=0.799)
    run = bare_run([*rows, fast])
    found = recommend(replace(run, dice={rows[0].key: run.dice[rows[0].key]}))
    assert found.row is rows[1]
    assert "has no scores per image to be compared with scunext FP32 on torch" in words(found)


def test_rows_of_other_conditions_are_not_ranked(
    bare_run: BareRun, rows: list[Row], make_latency: MakeLatency
) -> None:
    threads = replace(rows[1], backend="onnxruntime", threads=4, latency_ms=make_latency(1.0))
    found = recommend(bare_run([*rows, threads]))
    assert found.row is rows[1]
    assert found.reasons[-1] == "Rows left out: 1 not measured as the others were."


def test_inconclusive_rows_lead_but_are_not_recommended(bare_run: BareRun, rows: list[Row]) -> None:
    unclear = {"stability": "inconclusive", "stability_reasons": ("3 processes; 5 are needed",)}
    few = [replace(row, **unclear) for row in rows]  # type: ignore[arg-type]
    found = recommend(bare_run(few))
    assert (found.state, found.row) == ("provisional", few[1])
    assert found.headline == "Nothing to ship yet; in the lead: scunext INT8 qdq on native"
    assert found.sentence.startswith(
        "Nothing can be recommended for Example CPU yet, since all 3 rows that may be shipped are "
        "inconclusive. In the lead is scunext INT8 qdq on native: p50"
    )
    assert found.missing == [
        "Its latency is inconclusive: 3 processes; 5 are needed; measure again with more rounds, "
        "nothing else running."
    ]
    one = recommend(bare_run([rows[0], few[1], rows[2]]))
    assert one.state == "provisional"
    assert "inconclusive. In the lead" not in one.sentence


def test_too_few_processes_are_answered_with_the_full_suite(
    bare_run: BareRun, rows: list[Row], make_latency: MakeLatency
) -> None:
    few = replace(rows[1], stability="inconclusive", latency_ms=make_latency(5, processes=3))
    found = recommend(bare_run([rows[0], few]))
    assert any(it.endswith("measure with --suite full.") for it in found.missing)


def test_drawn_lesions_are_no_patients(bare_run: BareRun, rows: list[Row]) -> None:
    found = recommend(bare_run(rows, data={"images": 3, "note": "lesions drawn by this package"}))
    assert found.state == "provisional"
    assert found.sentence.startswith(
        "Nothing can be recommended for Example CPU yet, since no image of a patient was scored. "
    )
    assert found.missing == [
        "Scored on lesions drawn by this package; give images of yours with --data."
    ]


def test_the_row_s_own_doubts_are_passed_on_once(bare_run: BareRun, rows: list[Row]) -> None:
    doubted = replace(
        rows[1],
        precision_ran="fp32",
        doubts=("5 processes; a publishable number has 9", "values scatter by 9 %"),
    )
    assert recommend(bare_run([rows[0], doubted])).missing == [
        "The engine executed FP32, though INT8 was asked for.",
        "The measurement's own doubts: values scatter by 9 %.",
    ]


@pytest.mark.parametrize(
    ("changes", "said", "todo"),
    [
        ({"gate": "failed"}, "no row passed the accuracy gate", "scunext-edge quantize"),
        ({"gate": None}, "no row was scored, so only its speed is known", "scunext-edge train"),
        (
            {"stability": "unstable"},
            "all 2 rows accurate enough are unstable",
            "measure again",
        ),
    ],
)
def test_where_nothing_is_left_it_says_why_and_what_to_do(
    changes: dict[str, Any], said: str, todo: str, bare_run: BareRun, rows: list[Row]
) -> None:
    found = recommend(bare_run([replace(row, **changes) for row in rows[1:]]))
    assert (found.state, found.row) == ("none", None)
    assert found.headline == "Nothing to recommend"
    assert said in found.sentence
    assert todo in found.missing[0]
    assert found.reasons


def test_what_stands_against_all_rows_is_said_once(
    bare_run: BareRun, rows: list[Row], make_latency: MakeLatency
) -> None:
    drift, scatter = "the machine drifted", "the medians scatter by 9%"
    many = [
        replace(
            rows[0],
            backend=f"engine{at}",
            latency_ms=make_latency(9.0 - at),
            stability="unstable",
            stability_reasons=(drift, scatter) if at % 2 else (drift,),
        )
        for at in range(6)
    ]
    assert recommend(bare_run(many)).reasons == [
        "All rows: the machine drifted.",
        "scunext FP32 on engine5: the medians scatter by 9%.",
        "scunext FP32 on engine3: the medians scatter by 9%.",
        "2 slower rows were left out, too: the table shows why.",
    ]
    assert recommend(bare_run(many[:1])).reasons == [
        "scunext FP32 on engine0: its latency is unstable: the machine drifted."
    ]


def test_one_process_each_is_no_ground_to_choose_on(
    bare_run: BareRun, rows: list[Row], make_latency: MakeLatency
) -> None:
    once = [replace(row, latency_ms=make_latency(5.0, processes=1)) for row in rows]
    found = recommend(bare_run(once))
    assert "all 3 rows accurate enough ran in one process only" in found.sentence
    assert found.missing == ["Measure with --suite full."]


def test_an_emulated_device_gets_no_recommendation(bare_run: BareRun, rows: list[Row]) -> None:
    found = recommend(bare_run(rows, environment={"cpu_model": "X", "emulated": "qemu-aarch64"}))
    assert found.state == "none"
    assert "this device is emulated by qemu-aarch64" in found.sentence


@pytest.mark.parametrize(
    ("mean", "upper", "said"),
    [
        (0.0004, 0.001, "lost 0.0004, at most 0.0010"),
        (-0.0007, -0.0002, "gained 0.0007, at least 0.0002"),
        (-0.0007, 0.0003, "gained 0.0007, lost at most 0.0003"),
        (-0.0007, -0.00001, "gained 0.0007, lost at most 0.0000"),
    ],
)
def test_a_gain_is_called_a_gain(mean: float, upper: float, said: str, rows: list[Row]) -> None:
    assert accuracy.lost(replace(rows[1], dice_drop=mean, dice_drop_upper=upper)) == said


def test_the_reference_has_lost_nothing(rows: list[Row]) -> None:
    assert accuracy.lost(rows[0]) is None


def test_nothing_measured(bare_run: BareRun) -> None:
    assert "no row was measured" in recommend(bare_run([])).sentence
