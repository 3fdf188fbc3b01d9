"""From two folders to limits, a record and a page."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.data.corruptions import seeded
from scunext_edge.data.synthetic import draw
from scunext_edge.pipeline.quality import cases
from scunext_edge.pipeline.quality.__main__ import main
from scunext_edge.pipeline.quality.collect import Row
from scunext_edge.pipeline.quality.rates import error_rates
from scunext_edge.quality.flags import FLAGS
from scunext_edge.quality.limits import load_limits
from scunext_edge.storage import read_json
from scunext_edge.weights.shipped import limits_of, shipped

SIDE = 256


@pytest.fixture(scope="module")
def run(tmp_path_factory, native_library, drawn_folder):
    """The command on a few drawn lesions; where it wrote."""
    root = tmp_path_factory.mktemp("quality")
    one, two = root / "one", root / "two"
    drawn_folder(one, {"train": 12, "val": 4}, seed=1, size=(SIDE, SIDE), prefix="one_")
    drawn_folder(two, {"test": 3}, seed=2, size=(SIDE, SIDE), prefix="two_")
    arguments = ["--set-on", one, "--measure-on", two, "--other", two, "--model", "unext"]
    assert main([str(it) for it in (*arguments, "--out", root / "out")]) == 0
    return root / "out"


def test_its_limits_can_be_loaded_and_are_about_that_network(run):
    limits = load_limits(run / "limits" / "unext" / "quality.json")
    assert limits.fit(shipped("unext", "onnx-int8"))
    assert not limits.fit(shipped("scunext", "onnx-int8"))
    assert limits.set_on["parts"]["val"]["images"] == 4


def test_every_rate_can_be_computed_again_from_the_record(run):
    record = read_json(run / "unext.json")
    columns = record["columns"]
    rows = []
    for line in record["measured"]:
        id, flag, case, level, dice, *values = line.split("\t")
        rows.append(
            Row(
                id=id,
                flag=flag or None,
                case=case,
                level=float(level),
                dice=float(dice) if dice else None,
                values=dict(zip(columns[5:], map(float, values), strict=True)),
            )
        )
    again = error_rates(rows, record["limits"])
    for name, found in again["false_alarms"].items():
        assert found == record["rates"]["false_alarms"][name]
    for here, there in zip(again["caught"], record["rates"]["caught"], strict=True):
        assert here["by_this_flag"] == there["by_this_flag"]
        assert here["by_any_flag"] == there["by_any_flag"]
    assert again["kept"]["bad"] == record["rates"]["kept"]["bad"]


def test_its_page_has_a_line_for_every_flag_and_case(run):
    page = (run / "quality.md").read_text(encoding="utf-8")
    assert all(f"| {rule.name} " in page for rule in FLAGS)
    assert "Gaussian blur, sigma 8" in page
    assert "red and blue exchanged" in page


def test_what_sets_the_limits_may_not_measure_them(tmp_path, capsys, drawn_folder):
    one, two = tmp_path / "one", tmp_path / "two"
    look = {"seed": 1, "size": (SIDE, SIDE)}
    drawn_folder(one, {"train": 2, "val": 2, "test": 1}, prefix="one_", **look)
    one_again = drawn_folder(two, {"test": 1}, prefix="two_", **look)
    (one_again / "manifest.csv").write_text("name,split\none_val_0,test\n")
    for kind in ("images", "masks"):
        (two / kind / "two_test_0.png").rename(two / kind / "one_val_0.png")
    arguments = ["--set-on", one, "--measure-on", two, "--model", "unext", "--out", tmp_path / "o"]
    assert main([str(it) for it in arguments]) == 2
    assert "set the limits and would measure them" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_skin_is_cut_beside_the_lesion_and_nowhere_else():
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[100:200, :90] = image[100:200, :90, 0] = 1
    for mirrored in (True, False):
        piece = cases.skin(image, mask, mirrored=mirrored)
        assert piece.shape == image.shape
        assert not piece.any()
    assert cases.skin(image, np.ones_like(mask), mirrored=True) is None
    assert cases.skin(image, np.zeros_like(mask), mirrored=True) is None


def test_a_planted_fault_is_the_same_whatever_was_drawn_before():
    image, mask = draw(1, 1, (SIDE, SIDE))
    case = next(it for it in cases.spoiled() if it.flag == "glare")
    once, again = (case.spoil(image, mask, seeded("a", case.name)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    other = case.spoil(image, mask, seeded("b", case.name))
    assert (other != once).any()
    assert (once >= image).all() or (once != image).any()


def test_limits_that_ship_raise_the_right_flag_on_the_worst_of_every_fault():
    limits = limits_of(shipped("scunext", "onnx-fp32"))
    worst = {it["flag"]: it for it in limits.error_rates["caught"]}
    for flag in ("blurred", "too_dark", "too_bright", "glare"):
        assert worst[flag]["by_this_flag"]["share"] > 0.8, flag
