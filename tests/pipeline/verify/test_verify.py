"""A candidate beside its reference: every check is there, and each verdict has its exit code."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge import isolate
from scunext_edge.artifacts import Card, load, new_artifact
from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.splits import make_split, save_split
from scunext_edge.errors import BackendMissing, ConfigError
from scunext_edge.evaluation.acceptance import Criteria
from scunext_edge.evaluation.boundary import Boundary
from scunext_edge.pipeline.verify import verify as module
from scunext_edge.pipeline.verify.page import to_markdown
from scunext_edge.pipeline.verify.settings import Settings, Side, side
from scunext_edge.pipeline.verify.verify import verify
from scunext_edge.runtime import registry
from scunext_edge.runtime.registry import BackendStatus
from scunext_edge.spec import ModelSpec

SIZE = 32
NAMES = {
    *("duplicate rows", "batch against single", "repeat after others", "constant images"),
    *("denormal numbers", "NaN and wrong shapes", "opened again", "precision", "calibration"),
    *("decode", "resize", "normalisation", "network", "resize back", "threshold"),
    *("non-inferiority", "missed lesions"),
}


def make_artifact(directory, **card):
    fields = {"format": "safetensors", "precision": "fp32", "spec": ModelSpec(size=SIZE), **card}
    with new_artifact(directory, Card(model="tiny", **fields)) as folder:
        (folder / "model.bin").write_bytes(repr(card).encode())
    return load(directory)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Bright lesions on dark skin: the fake engine finds all of them."""
    folder = tmp_path_factory.mktemp("lesions")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    random = np.random.default_rng(0)
    for number in range(12):
        image = random.integers(0, 90, (48, 64, 3), dtype=np.uint8)
        mask = np.zeros((48, 64), np.uint8)
        mask[10 : 20 + number, 12 : 30 + number] = 255
        image[mask > 0] += 150
        PillowImage.fromarray(image).save(folder / "images" / f"lesion_{number:02}.png")
        PillowImage.fromarray(mask).save(folder / "masks" / f"lesion_{number:02}.png")
    split = make_split(open_dataset(folder), val=0.1, test=0.5, calibration=2)
    save_split(folder / "split.json", split)
    return folder


@pytest.fixture
def outlines(monkeypatch):
    """Outlines without MONAI; the list of calls."""
    calls = []

    def measured(source, ids, folders, *, tolerance, workers):
        calls.append(tolerance)
        for folder in folders.values():
            assert {f"{id}.png" for id in ids} <= {it.name for it in folder.iterdir()}
        return {name: {id: Boundary(hd95=1.0, nsd=0.9) for id in ids} for name in folders}

    monkeypatch.setattr(module, "boundaries", measured)
    return calls


@pytest.fixture
def jobs(monkeypatch):
    """The workers that were started."""
    seen, real = [], isolate.call

    def counted(module, *arguments, **options):
        seen.append(module)
        return real(module, *arguments, **options)

    monkeypatch.setattr(isolate, "call", counted)
    return seen


@pytest.fixture
def settings(data, tmp_path):
    artifact = make_artifact(tmp_path / "artifact")
    one = Side(artifact=artifact, backend="fake")
    return Settings(candidate=one, reference=one, data=data, out=tmp_path / "out")


def checks_of(found):
    return {it["name"]: it for it in found.content["checks"]}


def test_a_model_passes_against_itself_and_all_checks_are_there(settings, outlines):
    found = verify(settings)
    assert (found.verdict, found.exit_code) == ("passed", 0)
    assert set(checks_of(found)) == NAMES
    assert checks_of(found)["precision"]["message"] == "fp32 100.0% of MACs"
    assert found.content["dataset"]["images"] == 6
    assert outlines == [2.0]


def test_the_record_and_its_page_are_written(settings, outlines):
    found = verify(settings)
    record = json.loads((settings.out / "verify.json").read_text())
    assert record == json.loads(json.dumps(found.content))
    page = (settings.out / "verify.md").read_text()
    assert page == to_markdown(record)
    for words in ("passed", "HD95, pixels", "medium (5% to 20% of the frame)", "FP32"):
        assert words in page


def test_a_second_call_scores_nothing_again(settings, outlines, jobs):
    verify(settings)
    jobs.clear()
    verify(settings)
    assert "scunext_edge.evaluation.worker" not in jobs
    assert len(outlines) == 1


def test_another_tolerance_is_measured_anew(settings, outlines):
    verify(settings)
    verify(replace(settings, tolerance=3.0))
    assert outlines == [2.0, 3.0]


def test_what_is_not_shown_is_inconclusive_and_not_a_pass(settings, outlines, monkeypatch):
    from scunext_edge.evaluation.evaluate import evaluate

    def worse(artifact, backend, source, **options):
        scores = evaluate(artifact, backend, source, **options)
        if options["record"].name.startswith("candidate"):
            first = next(iter(scores.scores))
            lower = replace(scores.scores[first], dice=scores.scores[first].dice - 0.02)
            scores = replace(scores, scores={**scores.scores, first: lower})
        return scores

    monkeypatch.setattr(module, "evaluate", worse)
    found = verify(settings)
    assert (found.verdict, found.exit_code) == ("inconclusive", 1)
    message = checks_of(found)["non-inferiority"]["message"]
    assert "6 images are too few: it would take about" in message


def test_calibration_on_a_scored_image_fails(settings, outlines, data, tmp_path):
    from scunext_edge.export.calibration import ids_hash

    ids = [f"lesion_{number:02}" for number in range(12)]
    manifest = {"dataset": "lesions", "count": 12, "ids": ids, "ids_sha256": ids_hash(ids)}
    leaky = make_artifact(
        tmp_path / "leaky", precision="int8", quantizer="qdq", details={"calibration": manifest}
    )
    found = verify(replace(settings, candidate=Side(artifact=leaky, backend="fake")))
    assert found.verdict == "failed"
    assert "calibrated on 6 scored images" in checks_of(found)["calibration"]["message"]
    precision = checks_of(found)["precision"]
    assert precision["verdict"] == "noted"
    assert "asked for INT8, it ran as FP32" in precision["message"]


def test_without_monai_the_outlines_are_missing_and_it_says_how_to_get_them(settings, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    found = verify(settings)
    assert not (settings.out / "masks").exists()
    assert found.verdict == "passed"
    assert "scunext-edge[verify]" in found.content["no_outline"]
    assert "were not measured" in to_markdown(found.content)


def test_without_monai_a_second_call_scores_nothing_again(settings, jobs, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    verify(settings)
    jobs.clear()
    verify(settings)
    assert "scunext_edge.evaluation.worker" not in jobs


def test_an_interruption_among_the_outlines_loses_no_score(settings, outlines, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    measured = module.boundaries
    monkeypatch.setattr(module, "boundaries", interrupted)
    with pytest.raises(KeyboardInterrupt):
        verify(settings)
    before = (settings.out / "candidate.evaluation.json").stat().st_mtime_ns
    assert (settings.out / "masks" / "candidate").is_dir()
    monkeypatch.setattr(module, "boundaries", measured)
    assert verify(settings).verdict == "passed"
    assert (settings.out / "candidate.evaluation.json").stat().st_mtime_ns == before
    assert not (settings.out / "masks").exists()


def test_masks_that_another_candidate_left_are_not_measured(settings, outlines, tmp_path):
    left = settings.out / "masks" / "candidate" / "of-another.png"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"")
    seen = []
    measured = module.boundaries

    def looked_at(source, ids, folders, **options):
        seen.extend(it.name for it in folders["candidate"].iterdir())
        return measured(source, ids, folders, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "boundaries", looked_at)
        verify(settings)
    assert len(seen) == 6
    assert "of-another.png" not in seen


def test_scores_of_another_engine_version_are_not_taken(settings, outlines, monkeypatch):
    verify(settings)
    path = settings.out / "candidate.evaluation.json"
    stored = json.loads(path.read_text())
    stored["subject"]["backend_version"] = "0.0.1"
    path.write_text(json.dumps(stored))
    monkeypatch.setattr(module, "version_here", lambda backend: "0.0.2")
    verify(settings)
    assert json.loads(path.read_text())["subject"]["backend_version"] != "0.0.1"
    assert len(outlines) == 2


@pytest.mark.parametrize("spoil", [{"rows": {}}, {"rows": {"reference": {"a": 1}}}, {"rows": None}])
def test_broken_outlines_are_measured_again(settings, outlines, spoil):
    verify(settings)
    path = settings.out / "outlines.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **spoil}))
    verify(settings)
    assert len(outlines) == 2


def test_a_lesion_newly_missed_fails(settings, outlines, monkeypatch):
    from scunext_edge.evaluation.evaluate import evaluate

    def misses(artifact, backend, source, **options):
        scores = evaluate(artifact, backend, source, **options)
        if options["record"].name.startswith("candidate"):
            first = next(iter(scores.scores))
            missed = replace(scores.scores[first], common_area=0)
            scores = replace(scores, scores={**scores.scores, first: missed})
        return scores

    monkeypatch.setattr(module, "evaluate", misses)
    found = verify(settings)
    assert found.verdict == "failed"
    assert "1 newly missed" in checks_of(found)["missed lesions"]["message"]
    lenient = verify(replace(settings, criteria=Criteria(most_missed=1)))
    assert lenient.verdict == "passed"


def test_two_sizes_cannot_be_compared(settings, tmp_path):
    larger = make_artifact(tmp_path / "larger", spec=ModelSpec(size=64))
    with pytest.raises(ConfigError, match="takes images of 64 pixels, the reference of 32"):
        replace(settings, candidate=Side(artifact=larger, backend="fake"))


def test_an_engine_that_is_not_there_is_an_error_before_anything_is_done(settings, monkeypatch):
    status = BackendStatus(name="fake", available=False, reason="no fake here", hint="get one")
    monkeypatch.setattr(registry, "status", lambda backend: status)
    with pytest.raises(BackendMissing, match="no fake here"):
        verify(settings)
    assert not settings.out.exists()


def test_nothing_is_written_without_a_folder(settings, outlines, tmp_path):
    before = set(tmp_path.rglob("*"))
    verify(replace(settings, out=None))
    assert set(tmp_path.rglob("*")) == before


def test_a_handful_of_images_is_refused(settings, data):
    with pytest.raises(ConfigError, match="1 images"):
        verify(replace(settings, part="val"))


def test_settings_that_mean_nothing_are_refused(settings):
    for tolerance in (0, math.inf, math.nan):
        with pytest.raises(ConfigError, match="tolerance"):
            replace(settings, tolerance=tolerance)
    with pytest.raises(ConfigError, match="is a file"):
        replace(settings, out=Path(__file__))


def test_a_network_that_ships_runs_on_the_engine_that_ships():
    assert side("scunext", backend=None, precision="int8").backend == "native"
    assert side("scunext", backend="torch", precision="fp32").artifact.card.format == "safetensors"


def test_the_criteria_are_in_the_record(settings, outlines):
    found = verify(replace(settings, criteria=Criteria(tier="99", floor=0.7)))
    assert found.content["criteria"]["tier"] == "99"
    assert "99 % of Dice kept" in checks_of(found)["non-inferiority"]["message"]
