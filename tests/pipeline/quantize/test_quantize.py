"""The ladder finds the fewest layers that have to stay in float, and goes on where it stopped."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image as PillowImage

from scunext_edge import errors
from scunext_edge.artifacts import load
from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.images import write_mask
from scunext_edge.data.splits import find_split, make_split, save_split
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import ArtifactError, BackendMissing, ConfigError
from scunext_edge.evaluation.records import Evaluation
from scunext_edge.export.mixed import quantized_layers
from scunext_edge.export.weight_codes import WeightCodes
from scunext_edge.export.writing import write
from scunext_edge.metrics import Scores
from scunext_edge.pipeline.quantize import quantize as module
from scunext_edge.pipeline.quantize.page import to_markdown
from scunext_edge.pipeline.quantize.quantize import quantize
from scunext_edge.pipeline.quantize.settings import Settings, checkpoint_of, seconds
from scunext_edge.weights.shipped import shipped

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

PARENT = shipped("unext", "onnx-fp32")
LAYERS = quantized_layers(shipped("unext", "onnx-int8").file(".onnx").read_bytes())
CHECKPOINT = {"checkpoint": shipped("unext", "checkpoint")}
TUNED = {"qat": 3, **CHECKPOINT}
# What each layer costs in INT8: three cost much, the rest next to nothing.
COSTS = dict.fromkeys(LAYERS, 1e-5) | {LAYERS[4]: 0.02, LAYERS[9]: 0.01, LAYERS[2]: 0.005}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, lesions = tmp_path_factory.mktemp("lesions"), SyntheticLesions(20, seed=6)
    (folder / "images").mkdir()
    for sample in map(lesions.__getitem__, range(len(lesions))):
        PillowImage.fromarray(sample.image_hwc).save(folder / "images" / f"{sample.id}.png")
        write_mask(folder / "masks" / f"{sample.id}.png", sample.mask_hw)
    save_split(folder / "split.json", make_split(open_dataset(folder), val=0.3, calibration=2))
    return folder


def lost(artifact):
    """What an artifact's layers cost, those in INT8 summed up."""
    if artifact.card.precision != "int8":
        return {"fp32": 0.0, "fp16": 0.0001}[artifact.card.precision]
    if "tuning" in artifact.card.details:
        return artifact.card.details["tuning"]["loses"]
    floats = set(artifact.card.details.get("float_layers", ()))
    return sum(cost for name, cost in COSTS.items() if name not in floats)


@pytest.fixture
def asked(monkeypatch):
    """What was ranked and scored; both are made up from COSTS."""
    seen = SimpleNamespace(ranked=[], scored=[], version="1.0")

    def ranks(worker, job, **options):
        artifacts = [load(module.Path(path)) for path in job["artifacts"]]
        seen.ranked += [it.card.precision for it in artifacts]
        return [0.9 - lost(it) for it in artifacts]

    def scores(artifact, backend, source, **options):
        seen.scored.append(options["record"].stem.split(".")[0])
        dice = 0.9 - lost(artifact)
        alike = Scores(
            **dict.fromkeys(("dice", "iou", "precision", "recall"), dice),
            **dict.fromkeys(("truth_area", "predicted_area", "common_area"), 1),
        )
        scored = dict.fromkeys(options["dataset"].ids, alike)
        return Evaluation(subject={}, dataset={}, scores=scored)

    def times(cases, suite, *, folder):
        values = [SimpleNamespace(values_ns=(1_000_000, 3_000_000, 2_000_000))]
        for case in cases:
            yield case, SimpleNamespace(runs=values, failure=None)

    monkeypatch.setattr(module, "version_here", lambda backend: seen.version)
    monkeypatch.setattr(module.isolate, "call", ranks)
    monkeypatch.setattr(module, "evaluate", scores)
    monkeypatch.setattr(module, "run_cases", times)
    return seen


@pytest.fixture
def settings(data, tmp_path):
    def make(**changes):
        return Settings(**{"parent": PARENT, "data": data, "out": tmp_path / "out", **changes})

    return make


def rungs(found):
    return [step.name for step in found.search.steps]


def test_where_int8_keeps_the_bound_nothing_is_ranked(settings, asked):
    found = quantize(settings(max_drop=0.1))
    assert (found.search.outcome, found.search.best, found.exit_code) == ("reached", "int8", 0)
    assert rungs(found) == ["int8"]
    assert asked.ranked == []
    assert found.search.steps[0].latency_ms == 2.0


def test_the_costliest_layers_go_back_to_float_and_no_more_than_needed(settings, asked):
    found = quantize(settings(max_drop=0.002))
    assert rungs(found) == ["int8", "mixed-1", "mixed-2", "mixed-4", "mixed-3"]
    assert (found.search.best, found.search.outcome) == ("mixed-3", "reached")
    assert found.artifact.card.details["float_layers"] == [LAYERS[4], LAYERS[9], LAYERS[2]]
    assert set(quantized_layers(found.artifact.file(".onnx").read_bytes())) == (
        set(LAYERS) - {LAYERS[4], LAYERS[9], LAYERS[2]}
    )
    assert found.search.costs == pytest.approx(COSTS)


def test_a_bound_that_nothing_keeps_ends_at_fp16_with_the_nearest(settings, asked, tmp_path):
    found = quantize(settings(max_drop=-0.5))
    assert rungs(found)[-2:] == [f"mixed-{len(LAYERS) - 1}", "fp16"]
    assert (found.search.outcome, found.exit_code) == ("not reached", 1)
    nearest = f"mixed-{len(LAYERS) - 1}"  # made up: FP16 loses a little more
    assert found.search.best == nearest
    page = (tmp_path / "out" / "quantize.md").read_text()
    assert f"was not reached; nearest is {nearest}" in page


def test_a_bound_that_only_a_few_layers_can_keep_is_still_found(settings, asked):
    """Doubling steps over the last layers; the bisection goes back to them."""
    cheap = (len(LAYERS) - 18) * 1e-5
    found = quantize(settings(max_drop=cheap + 1e-7))
    assert found.search.best == "mixed-18"


def test_a_second_call_asks_nothing_again_and_another_bound_takes_the_same_rungs(settings, asked):
    first = quantize(settings(max_drop=0.002))
    ranked, scored = len(asked.ranked), len(asked.scored)
    again = quantize(settings(max_drop=0.002))
    assert len(asked.scored) == scored
    assert rungs(again) == rungs(first)
    looser = quantize(settings(max_drop=0.006))
    assert looser.search.best == "mixed-2"
    assert len(asked.scored) == scored
    # the parent alone, which the ranking is relative to
    assert len(asked.ranked) <= ranked + 2


def test_a_budget_that_ends_is_an_outcome_and_the_next_call_goes_on(settings, asked, tmp_path):
    times = iter(range(0, 10**6, 40))
    found = quantize(settings(max_drop=0.002, budget_s=100), clock=lambda: float(next(times)))
    assert (found.search.outcome, found.exit_code) == ("out of time", 1)
    assert found.search.best is not None
    stored = json.loads((tmp_path / "out" / "quantize.json").read_text())
    assert stored["outcome"] == "out of time"
    done = rungs(found)
    more = quantize(settings(max_drop=0.002, budget_s=10**9))
    assert (more.search.outcome, more.search.best) == ("reached", "mixed-3")
    assert rungs(more)[: len(done)] == done
    assert more.search.spent_s > found.search.spent_s - 1


def test_another_search_does_not_take_the_place_of_this_one(settings, asked, tmp_path):
    quantize(settings(max_drop=0.1))
    before = (tmp_path / "out" / "quantize.json").read_text()
    others = {
        "parent": shipped("scunext", "onnx-fp32"),
        "method": "percentile",
        "images": 3,
        "backend": "openvino",
    }
    for name, value in others.items():
        with pytest.raises(ConfigError, match="holds another search"):
            quantize(settings(max_drop=0.1, **{name: value}))
    asked.version = "2.0"
    with pytest.raises(ConfigError, match="backend_version differ"):
        quantize(settings(max_drop=0.1))
    assert (tmp_path / "out" / "quantize.json").read_text() == before


def test_an_int8_file_of_another_parent_or_method_is_not_taken(settings, asked, tmp_path):
    quantize(settings(max_drop=0.1))
    (tmp_path / "out" / "quantize.json").unlink()
    found = quantize(settings(max_drop=0.1, method="percentile"))
    assert found.artifact.card.details["calibration"]["method"] == "percentile"


def test_a_rung_whose_file_was_replaced_is_measured_again(settings, asked, tmp_path):
    quantize(settings(max_drop=0.1))
    shutil.rmtree(tmp_path / "out" / "artifacts" / "int8")
    quantize(settings(max_drop=0.1))
    assert asked.scored.count("int8") == 2


def test_every_rung_was_compared_with_its_parent(settings, asked, tmp_path):
    found = quantize(settings(max_drop=0.002))
    cards = [load(tmp_path / "out" / it.artifact).card for it in found.search.steps]
    apart = {card.details["parity"]["max_logit_difference"] for card in cards}
    assert len(apart) > 1
    record = json.loads((tmp_path / "out" / "quantize.json").read_text())
    assert record["tool"]["name"] == "scunext-edge"


def test_nncf_stands_beside_the_ladder_and_is_never_its_best(settings, asked, monkeypatch):
    def by_nncf(parent, folder, *, bound, **options):
        assert (bound.max_drop, len(bound.validation)) == (0.002, 6)
        int8 = shipped("unext", "onnx-int8")
        return write(folder, int8.card, {"model.onnx": int8.file(".onnx").read_bytes()})

    monkeypatch.setattr(module, "to_openvino_nncf", by_nncf)
    found = quantize(settings(max_drop=0.002, backend="openvino", nncf=True))
    assert rungs(found)[-1] == "nncf"
    assert found.search.best == "mixed-3"
    assert "| nncf " in to_markdown(found.search)
    assert "its own" in to_markdown(found.search)


def test_ranges_are_not_set_by_images_that_training_was_kept_away_from(
    settings, asked, data, tmp_path
):
    one, other = find_split(data).calibration
    details = {"training": {"data": {"left_out": [one]}}}
    content = {"model.onnx": PARENT.file(".onnx").read_bytes()}
    parent = write(tmp_path / "parent", replace(PARENT.card, details=details), content)
    found = quantize(settings(max_drop=0.1, parent=parent))
    assert found.artifact.card.details["calibration"]["ids"] == [other]


@pytest.fixture
def tuning(monkeypatch):
    """Tuning made up: tuning.loses is what is left of the loss, tuning.asked its calls."""
    seen = SimpleNamespace(loses=0.001, asked=[])

    def tuned(settings, int8, out, *, on_epoch, **options):
        seen.asked.append(out.name)
        on_epoch()
        details = {**int8.card.details, "tuning": {"loses": seen.loses}}
        content = int8.file(".onnx").read_bytes() + b"\x0a\x00"  # other bytes, another id
        return write(out, replace(int8.card, details=details), {"model.onnx": content})

    monkeypatch.setattr(module, "tuned", tuned)
    monkeypatch.setitem(COSTS, LAYERS[0], 0.05)
    return seen


def test_what_keeps_the_bound_is_not_tuned(settings, asked, tuning):
    found = quantize(settings(max_drop=0.2, **TUNED))
    assert rungs(found) == ["int8"]
    assert tuning.asked == []


def test_where_int8_loses_too_much_the_tuned_network_is_next_and_no_layer_is_ranked(
    settings, asked, tuning
):
    found = quantize(settings(max_drop=0.002, **TUNED))
    assert rungs(found) == ["int8", "qat-3"]
    assert (found.search.best, found.search.outcome) == ("qat-3", "reached")
    assert found.artifact.card.details["tuning"]
    assert asked.ranked == []
    page = to_markdown(found.search)
    assert "is kept by qat-3" in page
    assert "after N epochs of fine-tuning" in page


def test_where_tuning_is_not_enough_layers_go_back_to_float(settings, asked, tuning):
    tuning.loses = 0.03
    found = quantize(settings(max_drop=0.002, **TUNED))
    assert rungs(found)[:3] == ["int8", "qat-3", "mixed-1"]
    assert (found.search.best, found.search.outcome) == ("mixed-4", "reached")


def test_a_tuned_network_is_the_nearest_where_nothing_keeps_the_bound(settings, asked, tuning):
    tuning.loses = -0.01
    found = quantize(settings(max_drop=-0.5, **TUNED))
    assert (found.search.best, found.search.outcome) == ("qat-3", "not reached")


def test_nothing_is_tuned_twice_and_other_epochs_are_another_rung(settings, asked, tuning):
    quantize(settings(max_drop=0.002))
    quantize(settings(max_drop=0.002, **TUNED))
    assert tuning.asked == ["qat-3"]
    quantize(settings(max_drop=0.002, **TUNED))
    assert tuning.asked == ["qat-3"]
    tuning.loses = 0.03
    found = quantize(settings(max_drop=0.002, **{**TUNED, "qat": 5}))
    assert tuning.asked == ["qat-3", "qat-5"]
    assert {"qat-3", "qat-5"} < set(rungs(found))


def test_a_budget_ends_tuning_between_two_epochs(settings, asked, tuning):
    times = iter(range(0, 10**6, 40))
    found = quantize(
        settings(max_drop=0.002, budget_s=130, **TUNED), clock=lambda: float(next(times))
    )
    assert (found.search.outcome, rungs(found)) == ("out of time", ["int8"])
    assert tuning.asked == ["qat-3"]
    more = quantize(settings(max_drop=0.002, budget_s=10**9, **TUNED))
    assert more.search.best == "qat-3"


def test_coarse_weights_are_another_search_and_are_named(settings, asked, tmp_path):
    coarse = WeightCodes(bits=4, per_channel=False)
    found = quantize(settings(max_drop=0.1, codes=coarse))
    assert found.artifact.card.details["weights"] == {"bits": 4, "per_channel": False}
    assert "Weights have 4 bits and a scale for each tensor." in to_markdown(found.search)
    with pytest.raises(ConfigError, match="weights differ"):
        quantize(settings(max_drop=0.1))
    (tmp_path / "out" / "quantize.json").unlink()
    again = quantize(settings(max_drop=0.1))
    assert again.artifact.card.details["weights"] == {"bits": 8, "per_channel": True}
    assert "bits" not in to_markdown(again.search)


@pytest.mark.parametrize("spoil", [{"about": {}}, {"steps": [{"name": "int8"}]}])
def test_a_record_that_is_incomplete_is_an_error(settings, asked, tmp_path, spoil):
    quantize(settings(max_drop=0.1))
    path = tmp_path / "out" / "quantize.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **spoil}))
    with pytest.raises((ArtifactError, ConfigError)):
        quantize(settings(max_drop=0.1))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"part": "test"}, "'test', which is scored later"),
        ({"part": "calibration"}, "which sets the ranges"),
        ({"part": "train"}, "which sets the ranges"),
        ({"backend": "native"}, "native reads no ONNX"),
        ({"out": Path(__file__)}, "is a file"),
        ({"max_drop": 2.0}, "a bound of 2.0"),
        ({"images": 0}, "0 images to rank on"),
        ({"nncf": True}, "NNCF writes OpenVINO files"),
        ({"parent": shipped("unext", "onnx-int8")}, "starts from onnx fp32"),
        ({"qat": 0, **CHECKPOINT}, "0 epochs of tuning"),
        ({"qat": 2}, "none was given"),
        (CHECKPOINT, "for tuning alone"),
        ({"qat": 2, "checkpoint": shipped("scunext", "checkpoint")}, "was not exported from"),
        ({"qat": 2, "checkpoint": PARENT}, "was not exported from"),
        (
            {"nncf": True, "backend": "openvino", "codes": WeightCodes(bits=4)},
            "NNCF gives weights eight bits",
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, wrong, words):
    with pytest.raises(ConfigError, match=words):
        settings(**wrong)


def test_without_torch_nothing_is_tuned(settings, monkeypatch):
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(BackendMissing, match="tuning a network needs the package 'torch'"):
        settings(**TUNED)
    settings()


def test_a_network_that_ships_has_its_checkpoint_beside_it(tmp_path):
    beside = checkpoint_of("unext", None, qat=1)
    assert beside is not None
    assert beside.id == PARENT.card.parent
    assert checkpoint_of("unext", None, qat=None) is None
    assert checkpoint_of(str(tmp_path), None, qat=1) is None
    other = checkpoint_of("unext", shipped("scunext", "checkpoint").directory, qat=1)
    assert other is not None
    assert other.card.model == "scunext"


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("30m", 1800), ("1.5h", 5400)])
def test_a_time_budget_has_a_unit(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["30", "m", "0m", "-5m", "1d", ""])
def test_other_budgets_are_refused(text):
    with pytest.raises(ConfigError, match="no time budget"):
        seconds(text)
