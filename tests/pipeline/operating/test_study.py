"""From networks and images to a record, its page and figures; resumed piece by piece."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from scunext_edge import isolate
from scunext_edge.data.corruptions import CORRUPTIONS, SEVERITIES
from scunext_edge.data.datasets import Sample
from scunext_edge.data.source import Source
from scunext_edge.errors import ConfigError
from scunext_edge.evaluation import operating_worker
from scunext_edge.pipeline.operating import figures, page, study, summary
from scunext_edge.pipeline.operating.study import Settings, operating_point
from scunext_edge.pipeline.verify.settings import Side
from scunext_edge.runtime.predict_files import predict_files
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import open_runner
from scunext_edge.storage import read_json, write_json
from scunext_edge.weights.shipped import names, shipped

PARTS = {"val": 3, "test": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory, drawn_folder):
    """Drawn lesions turned to negatives, since the fake engine takes what is light for lesion."""
    path = tmp_path_factory.mktemp("data") / "drawn"
    return drawn_folder(path, PARTS, seed=1, size=(80, 96), negative=True)


@pytest.fixture
def asked(monkeypatch):
    """What the worker is asked, in this process: a child each would take long to start."""
    jobs = []

    def call(module, job, *, env=None):
        assert module == study.WORKER
        jobs.append(job)
        return json.loads(json.dumps(operating_worker.work(json.loads(json.dumps(job)))))

    monkeypatch.setattr(isolate, "call", call)
    monkeypatch.setattr(study, "version_here", lambda backend: "1")
    monkeypatch.setattr(summary, "_RESAMPLES", 20)
    monkeypatch.setattr(study, "figures", lambda record: {})
    return jobs


@pytest.fixture
def settings(data, tmp_path):
    if not names():
        pytest.skip("no network ships with this checkout")
    sides = tuple(Side(artifact=shipped(it, "onnx-fp32"), backend="fake") for it in names())
    return Settings(sides=sides, data=data, out=tmp_path / "out", command=("scunext-edge",))


def test_one_call_answers_all_and_a_second_asks_nothing(settings, asked):
    record = operating_point(settings)
    asks = [(job["ask"], job["source"]["part"]) for job in asked]
    faults = [(it.name, "test") for it in CORRUPTIONS]
    assert asks == [("plain", "val"), ("plain", "test"), ("views", "test"), *faults]
    assert all(len(job["subjects"]) == len(settings.sides) for job in asked)
    asked.clear()
    assert operating_point(settings) == record == read_json(settings.out / study.RECORD)
    assert asked == []
    (settings.out / "pieces").rename(settings.out / "kept")
    stored = sorted((settings.out / "kept").glob("*/hair-test.json"))
    assert len(stored) == len(settings.sides)


def test_what_is_missing_or_altered_is_asked_again_of_that_network_alone(settings, asked):
    operating_point(settings)
    asked.clear()
    hair, noise = (
        sorted(settings.out.glob(f"pieces/*/{it}-test.json")) for it in ("hair", "noise")
    )
    hair[0].unlink()
    content = read_json(noise[1])
    write_json(noise[1], {**content, "about": {**content["about"], "images": "other"}})
    operating_point(settings)
    assert [(job["ask"], len(job["subjects"])) for job in asked] == [("noise", 1), ("hair", 1)]


@pytest.fixture
def code(monkeypatch, tmp_path):
    """The files whose meaning counts, copied, so that a test may change them."""
    for name in {*study.CODE, *study.FAULTS, *sum(study.MORE.values(), ())}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((study.ROOT / name).read_text("utf-8"), "utf-8")
    monkeypatch.setattr(study, "ROOT", tmp_path)
    monkeypatch.setattr(study, "code_digest", study.code_digest.__wrapped__)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "asks"),
    [
        ("data/corruptions.py", {"jpeg", "hair"}),
        ("evaluation/thresholds.py", {"plain"}),
        ("evaluation/reliability.py", {"plain"}),
        ("runtime/symmetries.py", {"views"}),
        ("runtime/predictor.py", {"plain", "views", "jpeg", "hair"}),
    ],
)
def test_an_answer_goes_by_the_code_that_gives_it(code, name, asks):
    before = {ask: study.code_digest(ask) for ask in ("plain", "views", "jpeg", "hair")}
    source = (code / name).read_text("utf-8")
    for more, wanted in (("# a comment\n", set()), ("\nCHANGED = 1\n", asks)):
        (code / name).write_text(source + more, "utf-8")
        assert {ask for ask in before if study.code_digest(ask) != before[ask]} == wanted


def test_faults_of_other_code_and_all_of_another_pillow_are_asked_again(
    settings, asked, code, monkeypatch
):
    settings = replace(settings, sides=settings.sides[:1])
    operating_point(settings)
    whole = [job["ask"] for job in asked]
    asked.clear()
    with (code / "data/corruptions.py").open("a", encoding="utf-8") as stream:
        stream.write("\nCHANGED = 1\n")
    operating_point(settings)
    assert [job["ask"] for job in asked] == [it.name for it in CORRUPTIONS]
    asked.clear()
    monkeypatch.setattr(study.PIL, "__version__", "0.1")
    operating_point(settings)
    assert [job["ask"] for job in asked] == whole


def test_what_was_interrupted_goes_on_where_it_stopped(settings, asked, monkeypatch):
    monkeypatch.setattr(study, "_AT_ONCE", 2)
    call = isolate.call

    def interrupted(module, job, *, env=None):
        if job["ask"] == "defocus" and "test_2" in job["ids"]:
            raise KeyboardInterrupt
        return call(module, job, env=env)

    monkeypatch.setattr(isolate, "call", interrupted)
    with pytest.raises(KeyboardInterrupt):
        operating_point(settings)
    monkeypatch.setattr(isolate, "call", call)
    asked.clear()
    steps = []
    record = operating_point(settings, advance=lambda *it: steps.append(it))
    assert (asked[0]["ask"], asked[0]["ids"]) == ("defocus", ["test_2", "test_3"])
    assert [it for it in steps if it[0] == "noise-test"] == [
        ("noise-test", done, 4) for done in (0, 2, 4)
    ]
    assert record == operating_point(replace(settings, out=settings.out.with_name("whole")))


def test_the_threshold_is_chosen_on_one_part_and_measured_on_the_other(settings, asked):
    record = operating_point(settings)
    for network, one, other in zip(
        record["networks"], asked[0]["subjects"], asked[1]["subjects"], strict=True
    ):
        found = network["threshold"]
        assert (one["thresholds"], other["thresholds"]) == ([0.5], [0.5, found["threshold"]])
        assert found["dice"] == max(found["curve"]) >= found["dice_at_half"]
        assert found["low"] <= found["threshold"] <= found["high"]
        dice = found["measured"]["dice"]
        gain = dice["at_chosen"] - dice["at_half"]
        assert dice["gain"]["mean"] == pytest.approx(gain, abs=1e-9)


def test_means_can_be_made_again_from_the_lines_of_the_record(settings, asked):
    record = operating_point(settings)
    for network in record["networks"]:
        lines = [
            dict(zip(network["columns"], it.split("\t"), strict=True)) for it in network["images"]
        ]
        assert [line["id"] for line in lines] == [f"test_{at}" for at in range(PARTS["test"])]
        clean, *faults = network["corruptions"]
        assert len(faults) == len(CORRUPTIONS) * len(SEVERITIES)
        for it in (clean, *faults):
            cells = [
                line[f"{it['corruption']} {it['severity']}" if it["severity"] else "dice"]
                for line in lines
            ]
            dice = [float(cell.rstrip("!")) for cell in cells]
            assert it["dice"] == pytest.approx(np.mean(dice), abs=1e-5)
            assert it["refused"]["hits"] == sum(cell.endswith("!") for cell in cells)
            assert it["drop"]["mean"] == pytest.approx(clean["dice"] - it["dice"], abs=1e-9)
        assert network["views"]["gain"]["mean"] == pytest.approx(0, abs=1e-6)  # it sees no sides


def test_the_page_has_a_line_for_everything(settings, asked, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(study, "figures", figures.figures)
    record = operating_point(settings)
    text = (settings.out / study.PAGE).read_text(encoding="utf-8")
    for it in CORRUPTIONS:
        for severity, level in zip(SEVERITIES, it.levels, strict=True):
            assert re.search(rf"^\| {it.name} +\| {severity} +\| {level:g} ", text, re.MULTILINE)
    for network in record["networks"]:
        assert page.name_of(network) in text
    for name in ("reliability.svg", "corruptions.svg"):
        assert f"({name})" in text
        svg = (settings.out / name).read_text(encoding="utf-8")
        assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_what_chooses_the_threshold_may_not_measure_it(settings, asked):
    with pytest.raises(ConfigError, match="4 images would choose the threshold and measure it"):
        operating_point(replace(settings, choose_on="test"))
    assert asked == []
    assert not settings.out.exists()


def test_a_network_without_limits_has_no_refusals(settings, asked, monkeypatch):
    for module in (study, operating_worker):
        monkeypatch.setattr(module, "limits_of", lambda artifact, given=None: None)
    record = operating_point(settings)
    (network, *_) = record["networks"]
    assert {it["refused"] for it in network["corruptions"]} == {None}
    assert "confidence" not in [it["name"] for it in network["views"]["signals"]]
    assert "no limits" in page.to_markdown(record)


def test_the_worker_answers_from_a_process_of_its_own(settings, data):
    job = {
        "subjects": [
            {
                "artifact": str(settings.sides[0].artifact.directory),
                "backend": "fake",
                "device": "cpu",
                "thresholds": [0.5],
                "limits": None,
            }
        ],
        "threads": 1,
        "source": Source(folder=str(data), part="val").to_json(),
        "ids": ["val_0", "val_2"],
        "ask": "plain",
        "curve": True,
    }
    ((first, *more),) = isolate.call(study.WORKER, job)
    assert (first["id"], len(more)) == ("val_0", 1)
    assert first["curve"][49] == first["dice"][0] > 0.5  # at a half


def told(dice, **signals):
    """Rows of one view and of eight, for the summary of views."""
    plain = [{"dice": [0.8], "confidence": it} for it in signals["confidence"]]
    rows = [
        {"dice": one, **{name: values[at] for name, values in signals.items()}}
        for at, one in enumerate(dice)
    ]
    return plain, rows


def test_a_doubt_is_measured_beside_the_confidence_of_the_same_mask(monkeypatch):
    monkeypatch.setattr(summary, "_RESAMPLES", 20)
    plain, rows = told(
        [0.9, 0.9, 0.2, 0.3],
        confidence=[0.1, 0.2, 0.9, 0.8],  # one view was sure of what eight got wrong
        confidence_of_views=[0.9, 0.8, 0.2, 0.1],
        deviation=[0.3, 0.1, 0.2, 0.2],
        deviation_by_area=[0.1, 0.1, 0.5, 0.6],
    )
    found = {it["name"]: it for it in summary.views(plain, rows)["signals"]}
    assert {name: it["auc"]["value"] for name, it in found.items()} == {
        "confidence_of_views": 1.0,
        "confidence": 0.0,
        "deviation": 0.5,
        "deviation_by_area": 1.0,
    }
    assert found["confidence_of_views"]["auc_gain"] is None
    gains = {name: it["auc_gain"]["value"] for name, it in found.items() if it["auc_gain"]}
    assert gains == {"confidence": -1.0, "deviation": -0.5, "deviation_by_area": 0.0}


def test_an_empty_mask_has_no_deviation_by_area_and_is_doubted_most(monkeypatch):
    monkeypatch.setattr(summary, "_RESAMPLES", 20)
    plain, rows = told(
        [0.9, 0.8, 0.0],
        confidence=[0.9, 0.8, 0.0],
        confidence_of_views=[0.9, 0.8, 0.0],
        deviation=[0.1, 0.1, 0.001],
        deviation_by_area=[0.1, 0.2, None],
    )
    *_, found = summary.views(plain, rows)["signals"]
    assert (found["name"], found["auc"]["value"]) == ("deviation_by_area", 1.0)
    assert found["spearman"]["value"] == pytest.approx(1.0)


@pytest.mark.parametrize("light", [True, False])
def test_views_are_told_as_predict_tells_them(settings, tmp_path, light):
    """With a mask or an empty one: the worker's row agrees with the record of predict."""
    runner = open_runner(settings.sides[0].artifact, "fake")
    get, lean = runner.get, np.linspace(-3, 3, runner.spec.size, dtype=np.float32)
    runner.get = lambda: {"logits": get()["logits"] + (lean if light else -50)}
    image = np.full((40, 60, 3), 10, np.uint8)
    image[10:30, 20:40] = 240
    Image.fromarray(image).save(tmp_path / "a.png")
    (record,) = predict_files([tmp_path / "a.png"], Predictor(runner, views=True), tmp_path / "out")
    subject = operating_worker._Subject(runner=runner, limits=None, thresholds=(0.5,))
    sample = Sample(id="a", image_hwc=image, mask_hw=image[..., 0] > 100)
    row = operating_worker._views(sample, subject)
    assert row["deviation"] == pytest.approx(record["uncertainty_mean"])
    assert row["deviation_by_area"] == record["uncertainty_by_area"]
    assert (row["deviation_by_area"] is None) == (not light)
    assert 0 < row["confidence_of_views"] < 1 if light else row["confidence_of_views"] == 0


def test_ranks_agree_as_spearman_says():
    rising, falling = np.array([1.0, 2, 3, 4]), np.array([9.0, 5, 3, -2])
    assert summary.spearman(rising, rising**3) == pytest.approx(1)
    assert summary.spearman(rising, falling) == pytest.approx(-1)
    # ties share a rank: 1, 2.5, 2.5, 4 against 1, 2, 3, 4
    assert summary.spearman(np.array([1.0, 2, 2, 3]), rising) == pytest.approx(4.5 / 22.5**0.5)
    assert summary.spearman(np.ones(4), rising) is None
