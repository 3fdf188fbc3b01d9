from __future__ import annotations

from pathlib import Path

import pytest

from scunext_edge.experiments import sources
from scunext_edge.experiments.results import KIND, load_results
from scunext_edge.experiments.sources import ROOT, SHARED, code_digest, is_same, kinds
from scunext_edge.models import catalogue
from scunext_edge.storage import read_json

RECORDS = Path(__file__).parents[2] / "docs" / "results"
TRAININGS = [path for path in sorted(RECORDS.glob("*.json")) if read_json(path).get("kind") == KIND]


def test_every_network_of_ours_has_its_own_code_and_its_own_line(monkeypatch):
    assert len({code_digest(name) for name in catalogue.OURS}) == len(catalogue.OURS)
    files = {*sources._network("scunext")}
    assert {"models/scunext.py", "models/unext.py", "models/blocks.py"} <= files
    assert "models/unet.py" not in files
    assert sources._registered("unet-paper") == "partial(UNet, (48, 96, 176, 288, 464))"


def test_a_network_of_another_package_goes_by_what_is_shared():
    assert [*sources._network("theirs")] == []
    assert sources._registered("theirs") == ""
    assert all((ROOT / name).is_file() for name in SHARED)


def test_codes_that_were_shown_to_compute_the_same_count_as_one(monkeypatch):
    listed = {"same": [{"digests": ["a", "b"], "shown": "by hand"}]}
    monkeypatch.setattr(sources, "shipped_toml", lambda name: listed)
    assert is_same("a", "b")
    assert is_same("c", "c")
    assert not is_same("a", "c")
    assert kinds(["a", "b", "c", "a"]) == 2


@pytest.mark.parametrize("path", TRAININGS, ids=lambda path: path.stem)
def test_the_trials_of_our_records_are_of_code_that_computes_what_this_one_does(path):
    for trial in load_results(path).trials:
        now = code_digest(trial["model"])
        assert is_same(trial["code"], now), f"{trial['name']}: same_code.toml lacks {now}"


@pytest.mark.parametrize("name", ["training/schedule.py", "training/passes.py"])
def test_what_decides_weights_outside_the_step_counts(name, monkeypatch, tmp_path):
    for each in [*SHARED, *sources._network("unext"), "models/registry.py"]:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text((ROOT / each).read_text("utf-8"), "utf-8")
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    before = code_digest.__wrapped__("unext")
    with (tmp_path / name).open("a", encoding="utf-8") as stream:
        stream.write("\nCHANGED = 1\n")
    assert code_digest.__wrapped__("unext") != before


def test_there_are_such_records():
    assert {"ablation", "table1", "table1-reduced"} <= {path.stem for path in TRAININGS}
