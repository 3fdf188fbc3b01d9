"""Forms are made once, from what they are to be made from, and a failure is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from scunext_edge import isolate
from scunext_edge.artifacts import CARD, Card, load, new_artifact
from scunext_edge.data.source import Source
from scunext_edge.errors import ArtifactError, BackendUnavailable, ExportError
from scunext_edge.pipeline.forms import OFFERED, Forms
from scunext_edge.pipeline.subjects import Subject
from scunext_edge.spec import ModelSpec

IMAGES = Source(count=2, seed=2, part="calibration")


def make_artifact(directory, content, **fields):
    card = {"model": "unext", "format": "safetensors", "precision": "fp32", **fields}
    with new_artifact(directory, Card(spec=ModelSpec(size=64), **card)) as folder:
        (folder / "model.bin").write_text(content)
    return load(directory)


@pytest.fixture
def exports(monkeypatch):
    """The jobs of the exporter, which writes artifacts that are no models."""
    jobs = []

    def export(module, job):
        jobs.append(job)
        if job["parent"] is None:
            make_artifact(Path(job["out"]), "random", details={"training": None})
            return
        parent = load(Path(job["parent"]))
        calibration = job["calibration"] and Source.from_json(job["calibration"]).open().hash
        make_artifact(
            Path(job["out"]),
            f"{job['to']} {job['precision']} {job['quantizer']} {calibration} of {parent.id}",
            format=job["to"],
            precision=job["precision"],
            parent=parent.id,
            details={"calibration": {"hash": calibration}},
        )

    monkeypatch.setattr(isolate, "call", export)
    return jobs


@pytest.fixture
def checkpoint(tmp_path):
    return make_artifact(tmp_path / "checkpoint", "weights")


@pytest.fixture
def forms_of(tmp_path):
    def make(checkpoint=None, calibration=IMAGES, **known):
        subject = Subject(
            label="mine", model="unext", size=64, trained=True, checkpoint=checkpoint, **known
        )
        return Forms(subject, tmp_path / "forms", calibration)

    return make


def made(jobs):
    return [Path(job["out"]).name for job in jobs]


def everything(forms):
    return [
        forms.get(backend, *form)
        for backend, offered in OFFERED.items()
        if backend != "tensorrt"
        for form in offered
    ]


def test_every_form_is_made_once_and_found_by_the_next_run(exports, forms_of, checkpoint):
    first = everything(forms_of(checkpoint))
    assert made(exports) == [
        "mine-64-onnx-fp32",
        "mine-64-onnx-fp16",
        "mine-64-onnx-int8",
        "mine-64-openvino-fp32",
        "mine-64-openvino-fp16",
        "mine-64-openvino-int8",
        "mine-64-openvino-int8-nncf",
        "mine-64-native-fp32",
        "mine-64-native-int8",
    ]
    again = everything(forms_of(checkpoint))
    assert len(exports) == 9
    assert [form.id for form in again] == [form.id for form in first]


def test_every_engine_starts_from_the_one_quantized_onnx(exports, forms_of, checkpoint):
    forms = forms_of(checkpoint)
    int8 = forms.get("onnxruntime", "int8", "qdq")
    for backend in ("openvino", "native"):
        assert forms.get(backend, "int8", "qdq").card.parent == int8.id
    assert int8.card.parent == forms.get("onnxruntime", "fp32", None).id
    nncf = forms.get("openvino", "int8", "nncf")
    assert nncf.card.parent == forms.get("onnxruntime", "fp32", None).id


def test_only_quantizing_is_given_images(exports, forms_of, checkpoint):
    everything(forms_of(checkpoint))
    given = {Path(job["out"]).name for job in exports if job["calibration"]}
    int8 = ("onnx-int8", "openvino-int8", "openvino-int8-nncf", "native-int8")
    assert given == {f"mine-64-{name}" for name in int8}


def test_native_files_that_ship_are_not_made_again(exports, forms_of, tmp_path):
    known = {it: make_artifact(tmp_path / it, it, format="native") for it in ("fp32", "int8")}
    forms = forms_of(native=known)
    found = {it: forms.get("native", it, quantizer) for it, quantizer in OFFERED["native"]}
    assert found == known
    assert exports == []


def test_torch_runs_the_checkpoint_itself(exports, forms_of, checkpoint):
    assert forms_of(checkpoint).get("torch", "fp32", None) is checkpoint
    assert exports == []


def test_forms_that_exist_are_used_as_they_are(exports, forms_of, tmp_path):
    fp32 = make_artifact(tmp_path / "fp32", "fp32", format="onnx")
    int8 = make_artifact(tmp_path / "int8", "int8", format="onnx", precision="int8")
    forms = forms_of(None, onnx_fp32=fp32, onnx_int8=int8)
    assert forms.get("onnxruntime", "fp32", None) is fp32
    assert forms.get("onnxruntime", "int8", "qdq") is int8
    assert exports == []
    with pytest.raises(BackendUnavailable, match="torch needs the checkpoint"):
        forms.get("torch", "fp32", None)


def test_a_network_without_weights_gets_random_ones_once(exports, forms_of):
    forms = forms_of(None)
    assert forms.get("torch", "fp32", None) is forms.get("torch", "fp32", None)
    assert forms.get("onnxruntime", "fp32", None).card.parent == forms.get("torch", "fp32", None).id
    assert made(exports) == ["mine-64-checkpoint", "mine-64-onnx-fp32"]


def test_what_was_made_from_another_checkpoint_is_made_anew_down_to_the_last_form(
    exports, forms_of, checkpoint, tmp_path
):
    old = forms_of(checkpoint).get("openvino", "int8", "qdq")
    other = make_artifact(tmp_path / "other", "other weights")
    new = forms_of(other).get("openvino", "int8", "qdq")
    assert made(exports)[3:] == ["mine-64-onnx-fp32", "mine-64-onnx-int8", "mine-64-openvino-int8"]
    assert new.id != old.id


def test_what_was_quantized_on_other_images_is_made_anew(exports, forms_of, checkpoint):
    forms_of(checkpoint).get("openvino", "int8", "nncf")
    forms_of(checkpoint, Source(count=3, seed=2)).get("openvino", "int8", "nncf")
    assert made(exports) == [
        "mine-64-onnx-fp32",
        "mine-64-openvino-int8-nncf",
        "mine-64-openvino-int8-nncf",
    ]


@pytest.mark.parametrize("harm", ["altered", "cut", "no calibration"])
def test_a_stored_form_that_is_not_whole_is_made_anew(exports, forms_of, checkpoint, harm):
    stored = forms_of(checkpoint).get("onnxruntime", "int8", "qdq")
    card = stored.directory / CARD
    if harm == "altered":
        (stored.directory / "model.bin").write_text("other")
    elif harm == "cut":
        card.write_text(card.read_text()[:80])
    else:
        card.write_text(card.read_text().replace('"calibration"', '"something else"'))
    assert forms_of(checkpoint).get("onnxruntime", "int8", "qdq").id == stored.id
    assert made(exports)[2:] == ["mine-64-onnx-int8"]


def test_a_failure_is_remembered_and_told_to_all_who_need_the_form(
    forms_of, checkpoint, monkeypatch
):
    calls = []

    def fail(module, job):
        calls.append(job)
        raise ExportError("no such operator", hint="use another")

    monkeypatch.setattr(isolate, "call", fail)
    forms = forms_of(checkpoint)
    for form in [("onnxruntime", "fp32", None), ("openvino", "fp32", None)]:
        with pytest.raises(ExportError, match="no such operator"):
            forms.get(*form)
    assert len(calls) == 1


def test_an_engine_that_was_not_built_here_is_an_error_of_its_row(exports, forms_of, checkpoint):
    with pytest.raises(ArtifactError, match="mine-64-tensorrt-fp16-engine is no artifact"):
        forms_of(checkpoint).get("tensorrt", "fp16", None)
