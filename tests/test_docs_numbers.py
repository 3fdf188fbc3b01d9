"""Numbers and outputs in the documents say what the stored records say."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from scunext_edge.experiments.results import add, load_results

ROOT = Path(__file__).resolve().parent.parent


def _load_fill():
    spec = importlib.util.spec_from_file_location("docs_fill", ROOT / "docs" / "fill.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


fill = _load_fill()
BLOCKS = [
    pytest.param(block, id=f"{path.name}-{block.view}-{Path(block.record).stem}")
    for path in fill.documents(ROOT)
    if path.is_file()
    for block in fill.blocks(path.read_text(encoding="utf-8"))
]
RECORD = {"schema": 1, "rows": [{"model": "unext", "images_per_s": 41.26, "note": None}]}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "record.json").write_text(json.dumps(RECORD), encoding="utf-8")
    return tmp_path


def test_the_documents_hold_blocks():
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_says_what_its_record_says(block):
    wanted = block.render(ROOT)
    assert block.body == wanted, "run: python docs/fill.py"
    if not list(ROOT.glob(block.record)):
        pytest.skip(f"there is no record yet: {block.record}")


def test_every_begun_block_is_a_block():
    for path in fill.documents(ROOT):
        text = path.read_text(encoding="utf-8")
        assert text.count("<!-- from: ") == len(list(fill.blocks(text))), path.name


def test_a_block_is_filled_from_its_record_and_the_text_around_it_stays(root):
    text = "before\n<!-- from: record.json as rows -->\nold 17\n<!-- end -->\nafter\n"
    assert fill.filled(text, root) == (
        "before\n<!-- from: record.json as rows -->\n"
        "| model | images per s | note |\n| --- | --- | --- |\n| unext | 41.3 |  |\n"
        "<!-- end -->\nafter\n"
    )


def test_filling_twice_changes_nothing(root):
    once = fill.filled("<!-- from: record.json as rows -->\n<!-- end -->", root)
    assert fill.filled(once, root) == once


def test_a_record_that_went_away_leaves_no_number_behind(root):
    text = "<!-- from: record.json as rows -->\n<!-- end -->"
    with_numbers = fill.filled(text, root)
    (root / "record.json").unlink()
    assert "41.3" not in fill.filled(with_numbers, root)


def test_a_transcript_is_cut_where_the_document_says(root):
    (root / "said.txt").write_text("$ one\ntwo\nthree\nfour\n", encoding="utf-8")
    text = "<!-- from: said.txt as transcript, first 2 lines -->\n<!-- end -->"
    assert "```console\n$ one\ntwo\n...\n```" in fill.filled(text, root)


def test_check_fails_on_a_number_that_was_typed(root, monkeypatch, capsys):
    readme = root / "README.md"
    readme.write_text("<!-- from: record.json as rows -->\n<!-- end -->\n", encoding="utf-8")
    monkeypatch.setattr(fill, "ROOT", root)
    assert fill.main([]) == 0
    assert fill.main(["--check"]) == 0
    readme.write_text(readme.read_text(encoding="utf-8").replace("41.3", "52.8"), encoding="utf-8")
    assert fill.main(["--check"]) == 1
    assert "52.8" in readme.read_text(encoding="utf-8")
    assert "README.md: differs from its records" in capsys.readouterr().out


def test_a_search_shows_what_is_wholly_in_int8(root):
    step = {"name": "int8", "dice": 0.75, "drop": 0.1, "upper": 0.125}
    about = {
        "model": "unext",
        "images": 7,
        "data": "some",
        "part": "val",
        "backend": "openvino",
        "weights": {"bits": 4, "per_channel": False},
    }
    steps = [step, {**step, "name": "qat-4", "drop": -0.01}, {**step, "name": "mixed-1"}]
    (root / "a.json").write_text(json.dumps({"about": about, "steps": steps}), encoding="utf-8")
    finer = {**about, "weights": {"bits": 4, "per_channel": True}}
    (root / "b.json").write_text(json.dumps({"about": finer, "steps": [step]}), encoding="utf-8")
    text = fill.VIEWS["searched"]([root / "a.json", root / "b.json"], None)
    assert text.split("\n")[-3:] == [
        "| `unext` | 4 | channel | int8 | 0.850 | 0.750 | 0.1000 | 0.1250 |",
        "| `unext` | 4 | tensor | int8 | 0.850 | 0.750 | 0.1000 | 0.1250 |",
        "| `unext` | 4 | tensor | qat-4 | 0.740 | 0.750 | \N{MINUS SIGN}0.0100 | 0.1250 |",
    ]


def test_a_verification_shows_its_interval(root):
    folder = root / "unext--int8--FP32"
    folder.mkdir()
    drop = {"mean": 0.01, "low": -0.002, "high": 0.022}
    content = {
        "dataset": {"images": 9, "name": "some", "part": "test"},
        "acceptance": {"dice": {"reference": 0.9, "candidate": 0.89}, "loss": {"drop": drop}},
    }
    (folder / "verify.json").write_text(json.dumps(content), encoding="utf-8")
    text = fill.VIEWS["verified"]([folder / "verify.json"], None)
    assert text.split("\n")[-1] == (
        "| `unext` | int8 | FP32 | 0.900 | 0.890 | 0.0100 | \N{MINUS SIGN}0.0020 to 0.0220 |"
    )


def test_full_networks_stand_before_reduced_ones_and_only_beside_the_paper(root):
    results = experiment_of_unet()
    (root / "table1-reduced.json").write_text(json.dumps(results(reduced=True)), "utf-8")
    (root / "table1.json").write_text(json.dumps(results(reduced=False)), "utf-8")
    text = fill.filled("<!-- from: table1*.json as networks -->\n<!-- end -->", root)
    full, reduced = text.split("Protocol ")[1:]
    assert "| `unet` | 1 | 80.00 |" in full
    assert "| 84.84 | 76.37 | 9.04 MB, 25.06 GFLOPs |" in full
    assert "**Reduced**" in reduced
    assert "| `unet` | 1 | 80.00 |" in reduced
    assert "paper" not in reduced


def test_findings_of_several_parts_say_which_where_nothing_is_missing(tmp_path):
    """A whole table by a full protocol has no sentences of them all."""
    found = load_results(ROOT / "docs/results/lungs.json")
    protocol = {**found.terms["protocol"], "reduced": False}
    add(tmp_path / "r.json", {**found.terms, "protocol": protocol}, found.trials)
    (_, *said) = fill.VIEWS["findings"]([tmp_path / "r.json"], None).split("\n")
    assert len(said) > 3
    assert all(":* " in line for line in said)


@pytest.mark.parametrize(("name", "parts"), [("ablation", 1), ("lungs", 3)])
def test_findings_are_the_sentences_of_a_text_with_the_part_that_each_is_of(name, parts):
    results = ROOT / "docs/results"
    text = fill.VIEWS["findings"]([results / f"{name}.json"], None).split("\n")
    written = (results / f"{name}.md").read_text("utf-8").split("\n")
    said = [line.removeprefix("- ") for line in written if line.startswith("- ")]
    assert text[0] == f"- {written[0].removeprefix('# ')}:"
    assert len(text) == len(said) + 1
    assert all(line.endswith(it) for line, it in zip(text[1:], said, strict=True))
    named = {line.split(":* ")[0] for line in text[1:] if ":* " in line}
    assert len(named) == (parts if parts > 1 else 0)


def experiment_of_unet():
    """A maker of the results file of one training of U-Net."""
    scores = {"dice": 0.8, "iou": 0.7, "dice_pooled": 0.8, "iou_pooled": 0.7}
    trial = {"key": "k", "name": "unet/split1", "arm": "unet", "cut": "split1", **scores}

    def make(*, reduced):
        return {
            "schema": 1,
            "kind": "experiment",
            "experiment": "table1",
            "title": "Four networks",
            "paper": "table1",
            "factors": [],
            "arms": [{"name": "unet", "model": "unet", "on": []}],
            "protocol": {"name": "some", "label": "ours", "reduced": reduced, "size": 128},
            "splits": {"kind": "random", "seeds": [1, 2, 3], "test": 0.2, "val": 0.05},
            "data": {"name": "isic2018", "images": 100, "hash": "d"},
            "trials": [{**trial, "model": "unet", "code": "c", "params": 7, "macs": 9_000_000}],
        }

    return make


@pytest.mark.parametrize("schema", [1, 2])
def test_a_record_of_training_speed_shows_memory_and_limit_where_it_has_them(root, schema):
    row = {"model": "unext", "threads": 1, "precision": "fp32", "loader_share": 0.02}
    row |= {"plain_images_s": 10.0, "images_s": 15.0}
    row |= {"ratio": 1.5, "ratio_least": 1.4, "ratio_most": 1.6}
    if schema == 2:
        row |= {"plain_memory_bytes": 9_000_000, "memory_bytes": 8_000_000}
        row |= {"limit_share": 0.25, "bound_by": "memory"}
    (root / "s.json").write_text(json.dumps({"schema": schema, "summary": [row]}), "utf-8")
    text = fill.VIEWS["speed"]([root / "s.json"], None)
    more = " 9.00 MB | 8.00 MB | 25% (memory) |" if schema == 2 else ""
    assert text.split("\n")[-1] == (
        "| `unext` | 1 | fp32 | 10.0 | 15.0 | 1.50 (1.40 to 1.60) | 2.0% of a step |" + more
    )
