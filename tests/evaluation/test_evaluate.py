"""Images are scored in a process of their own, and once: a record of the same is the answer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge import isolate
from scunext_edge.artifacts import Card, load, new_artifact
from scunext_edge.data.images import read_mask
from scunext_edge.data.source import Source
from scunext_edge.errors import ConfigError, DataError, StorageError
from scunext_edge.evaluation import records
from scunext_edge.evaluation.evaluate import evaluate, keep_masks
from scunext_edge.metrics import score
from scunext_edge.spec import ModelSpec

SOURCE = Source(count=2, seed=1)


def make_artifact(directory, content=b"nothing"):
    card = Card(model="tiny", format="onnx", precision="fp32", spec=ModelSpec(size=32))
    with new_artifact(directory, card) as folder:
        (folder / "model.onnx").write_bytes(content)
    return load(directory)


@pytest.fixture
def artifact(tmp_path):
    return make_artifact(tmp_path / "artifact")


@pytest.fixture
def calls(monkeypatch):
    """The jobs that were given to processes."""
    jobs, real = [], isolate.call

    def counted(module, job, **options):
        jobs.append(job)
        return real(module, job, **options)

    monkeypatch.setattr(isolate, "call", counted)
    return jobs


@pytest.fixture
def bright(tmp_path):
    """Two pictures whose left halves are bright, and masks: of the half, and of a quarter."""
    folder = tmp_path / "bright"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for name, width in (("a", 32), ("b", 16)):
        image = np.zeros((64, 64, 3), np.uint8)
        image[:, :32] = 255
        mask = np.zeros((64, 64), np.uint8)
        mask[:, :width] = 255
        PillowImage.fromarray(image).save(folder / "images" / f"{name}.png")
        PillowImage.fromarray(mask).save(folder / "masks" / f"{name}.png")
    return Source(folder=str(folder))


def test_scores_are_those_of_the_masks_that_a_user_would_see(artifact, bright, tmp_path):
    """What is brighter than half is lesion, says the fake engine: Dice 1 and 2/3 are known."""
    found = evaluate(artifact, "fake", bright)
    assert list(found.scores) == ["a", "b"]
    assert found.scores["a"].dice == 1.0
    assert found.scores["b"].dice == pytest.approx(2 / 3)
    assert found.scores["b"].truth_area == 64 * 16
    keep_masks(artifact, "fake", bright, ["b"], tmp_path / "masks")
    kept = read_mask(tmp_path / "masks" / "b.png")
    truth = bright.open()[1].mask_hw
    assert score(kept, truth) == found.scores["b"]
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["b.png"]


def test_a_record_says_what_was_scored_on_what(artifact, tmp_path):
    record = tmp_path / "a.json"
    found = evaluate(artifact, "fake", SOURCE, record=record)
    assert records.load(record) == found
    assert found.subject["artifact_id"] == artifact.id
    assert (found.subject["backend"], found.subject["device"]) == ("fake", "cpu")
    assert found.subject["backend_version"]
    assert found.dataset == {"name": "synthetic", "images": 2, "hash": SOURCE.open().hash}


def test_a_stored_record_of_the_same_question_is_not_scored_again(artifact, tmp_path, calls):
    record = tmp_path / "a.json"
    first = evaluate(artifact, "fake", SOURCE, record=record)
    stamp = record.stat().st_mtime_ns
    assert evaluate(artifact, "fake", SOURCE, record=record) == first
    assert (len(calls), record.stat().st_mtime_ns) == (1, stamp)


@pytest.mark.parametrize("other", ["artifact", "images", "engine version", "broken", "no record"])
def test_another_question_is_scored_again(artifact, tmp_path, calls, other):
    record = tmp_path / "a.json"
    evaluate(artifact, "fake", SOURCE, record=record)
    subject, source, version = artifact, SOURCE, None
    if other == "artifact":
        subject = make_artifact(tmp_path / "other", b"other bytes")
    elif other == "images":
        source = Source(count=2, seed=2)
    elif other == "engine version":
        version = "another"
    elif other == "broken":
        record.write_text(record.read_text()[:100])
    else:
        record.write_text('{"kind": "measurement", "schema": 1}')
    found = evaluate(subject, "fake", source, record=record, backend_version=version)
    assert len(calls) == 2
    assert found.subject["artifact_id"] == subject.id
    assert records.load(record) == found


def test_a_record_without_its_subject_is_scored_again(artifact, tmp_path, calls):
    record = tmp_path / "a.json"
    evaluate(artifact, "fake", SOURCE, record=record)
    data = json.loads(record.read_text())
    record.write_text(json.dumps({**data, "subject": {}, "dataset": {}}))
    evaluate(artifact, "fake", SOURCE, record=record)
    assert len(calls) == 2


def test_errors_of_the_child_arrive_as_what_they_are(artifact, tmp_path, bright):
    with pytest.raises(ConfigError, match="no backend called 'faek'"):
        evaluate(artifact, "faek", SOURCE)
    odd = tmp_path / "bright" / "masks" / "b.png"
    PillowImage.fromarray(np.zeros((10, 10), np.uint8)).save(odd)
    record = tmp_path / "a.json"
    with pytest.raises(DataError, match="its image 64 x 64"):
        evaluate(artifact, "fake", bright, record=record)
    assert not record.exists()


def test_a_folder_that_takes_no_files_is_a_storage_error(artifact, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        evaluate(artifact, "fake", SOURCE, record=tmp_path / "file" / "a.json")
