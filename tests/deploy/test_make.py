"""What goes into a bundle, and what is kept out of it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from dataclasses import replace
from importlib.metadata import requires

import pytest

from scunext_edge.artifacts import load
from scunext_edge.deploy.bundle import read
from scunext_edge.deploy.make import make
from scunext_edge.deploy.verify import verify
from scunext_edge.deploy.wheels import NEEDED, NEEDED_BELOW_311
from scunext_edge.errors import ArtifactError, ConfigError, ExportError, StorageError
from scunext_edge.quality.flags import FLAGS
from scunext_edge.quality.limits import load_limits
from scunext_edge.storage import read_json, write_json
from scunext_edge.weights.shipped import limits_of, shipped


def test_a_bundle_is_whole_and_signed(made, key):
    assert verify(made, key).findings == ()
    assert {path.name for path in made.iterdir()} == {
        "bundle.json", "c", "contract.json", "evidence.json", "golden", "manifest.sha256",
        "model-card.json", "model-card.md", "models", "quality.json", "requirements.txt", "run.sh",
        "sbom.cdx.json", "signature.json", "wheels",
    }  # fmt: skip
    assert os.access(made / "run.sh", os.X_OK)
    assert not re.search(r"@[A-Z]+@", (made / "run.sh").read_text())


def test_its_ladder_has_int8_above_fp32(made):
    rungs = read(made).rungs
    assert [(rung.name, rung.gate) for rung in rungs] == [
        ("native-int8", "passed"),
        ("native-fp32", "reference"),
    ]
    for rung in rungs:
        assert load(made / rung.model).id == rung.artifact_id
        assert rung.claim_ms == 2.0
        assert {path.name for path in (made / rung.masks).iterdir()} == set(read(made).golden)


def test_requirements_name_every_wheel_by_its_hash(made):
    hashes = dict(
        re.findall(
            r"^(\S+)==\S+ --hash=sha256:(\w+)$", (made / "requirements.txt").read_text(), re.M
        )
    )
    found = [hashlib.sha256(path.read_bytes()).hexdigest() for path in made.glob("wheels/*.whl")]
    assert sorted(hashes.values()) == sorted(found)
    assert {"scunext-edge", "numpy", "cryptography"} <= set(hashes)
    assert "torch" not in hashes


def test_the_runtime_is_what_this_package_asks_for_and_a_signature_checker():
    asked = {re.match(r"[\w-]+", it)[0] for it in requires("scunext-edge") if "extra" not in it}
    assert asked | {"cryptography"} == {*NEEDED, *NEEDED_BELOW_311}


def test_no_image_of_the_evidence_is_named(made):
    """In a hospital's data set, names of files may name people."""
    assert "patient_17" not in (made / "evidence.json").read_text()
    assert read_json(made / "evidence.json")["rows"][0]["dice"] == 0.8


def test_the_bill_of_materials_is_cyclonedx_with_models_and_packages(made):
    text = (made / "sbom.cdx.json").read_text()
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    kinds = {it["type"] for it in bill["components"]}
    assert kinds == {"machine-learning-model", "library"}
    numpy = next(it for it in bill["components"] if it["name"] == "numpy")
    assert numpy["purl"].startswith("pkg:pypi/numpy@")
    assert numpy["licenses"] == [{"license": {"id": "MIT"}}]
    pytest.importorskip("jsonschema")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_card_says_what_it_is_for_and_what_is_not_known(made):
    card = read_json(made / "model-card.json")
    assert card["training"]["dataset"] == "isic2017"
    assert card["licence_of_data"] == "CC0-1.0"
    assert card["did_not_pass"] == []
    text = (made / "model-card.md").read_text()
    assert "no medical device" in text
    assert "Not verified by size of lesion" in text
    assert "| native-int8 | passed | 0.8000 |" in text


def test_the_limits_of_quality_are_inside_with_their_error_rates(made):
    limits = load_limits(made / "quality.json")
    assert limits == limits_of(shipped("scunext", "native-int8"))
    assert "quality.json" in (made / "manifest.sha256").read_text()
    card = read_json(made / "model-card.json")
    assert card["quality"]["limits"] == dict(limits.limits)
    text = (made / "model-card.md").read_text()
    for rule in FLAGS:
        alarms = limits.error_rates["false_alarms"][rule.name]
        assert re.search(rf"\| {rule.name} +\| {100 * alarms['share']:.1f} % \(", text)
    assert "Flagged of the masks with a Dice below 0.5" in text


def test_the_contract_is_that_of_the_model(made):
    contract = read_json(made / "contract.json")
    assert contract["input"]["shape"] == ["N", 256, 256, 3]
    assert contract["normalisation"]["mean"] == [0.485, 0.456, 0.406]


def failing(rows):
    return [replace(it, gate="failed") if it.precision == "int8" else it for it in rows]


def test_a_form_that_failed_its_gate_stays_outside(tmp_path, settings, native_rows, write_run):
    run = write_run(tmp_path / "run", failing(native_rows))
    found = make(settings(tmp_path / "out", run=run))
    assert [rung.name for rung in found.rungs] == ["native-fp32"]
    assert found.left_out == ("native-int8: its accuracy gate failed",)


def test_a_form_that_was_asked_for_and_failed_is_no_bundle(
    tmp_path, settings, native_rows, write_run
):
    run = write_run(tmp_path / "run", failing(native_rows))
    int8 = str(shipped("scunext", "native-int8").directory)
    found = make(settings(tmp_path / "out", run=run, artifact=int8))
    assert "its accuracy gate failed" in found.refusal
    assert not (tmp_path / "out").exists()
    ungated = write_run(tmp_path / "ungated", [replace(it, gate=None) for it in native_rows])
    assert "no accuracy gate judged it" in make(settings(tmp_path / "out", run=ungated)).refusal


def test_allow_failed_is_written_into_the_card(tmp_path, settings, native_rows, write_run):
    run = write_run(tmp_path / "run", failing(native_rows))
    found = make(settings(tmp_path / "out", run=run, allow_failed=True))
    assert found.did_not_pass == ("native-int8",)
    assert "**NOT PASSED: native-int8." in (tmp_path / "out" / "model-card.md").read_text()
    assert read(tmp_path / "out").allow_failed


def verification(path, verdict="passed"):
    """A record of `verify` about the shipped INT8 form, as far as a bundle reads it."""
    sides = {"candidate": "native-int8", "reference": "native-fp32"}
    group = {"size": "small", "low": 0.0, "high": 0.05, "images": 5, "fallen": 1,
             "dice": {"reference": 0.8, "candidate": 0.7},
             "drop": {"mean": 0.1, "low": 0.05, "high": 0.15}}  # fmt: skip
    acceptance = dict.fromkeys(("images", "loss", "worst_decile", "below_floor", "outline"))
    acceptance |= {"dice": {"reference": 0.8, "candidate": 0.7}, "groups": [group]}
    write_json(
        path,
        {
            "schema": 1, "kind": "verification", "tool": {}, "verdict": verdict, "criteria": {},
            "dataset": {"name": "made up", "part": "test", "images": 5, "hash": "0"},
            "checks": [{"name": "missed lesions", "verdict": verdict, "message": "patient_17"}],
            "acceptance": acceptance,
            **{
                side: {
                    "artifact_id": shipped("scunext", form).id, "model": "scunext",
                    "precision": form[-4:], "quantizer": None, "backend": "native",
                    "device": "cpu",
                }
                for side, form in sides.items()
            },
        },
    )  # fmt: skip
    return path


def test_a_verification_is_evidence_and_brings_scores_by_size(tmp_path, settings):
    record = verification(tmp_path / "verify.json")
    found = make(settings(tmp_path / "out", run=None, verified=record))
    assert [(it.name, it.claim_ms) for it in found.rungs] == [
        ("native-int8", None),
        ("native-fp32", None),
    ]
    assert (
        "| small (0% to 5%) | 5 | 0.8000 | 0.7000 | 0.1500 | 1 |"
        in (tmp_path / "out" / "model-card.md").read_text()
    )
    assert "patient_17" not in (tmp_path / "out" / "evidence.json").read_text()


def test_the_worse_of_two_judgements_counts(tmp_path, settings):
    record = verification(tmp_path / "verify.json", verdict="inconclusive")
    found = make(settings(tmp_path / "out", verified=tmp_path))
    assert record.is_file()
    assert [it.name for it in found.rungs] == ["native-fp32"]


def test_jetson_gets_the_onnx_to_build_from_and_the_masks_of_fp32(
    tmp_path, settings, own, native_rows, make_row, write_run
):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from scunext_edge.export.to_fp16 import to_fp16

    half = to_fp16(shipped("scunext", "onnx-fp32"), tmp_path / "run/artifacts/half")
    rows = [*native_rows, make_row("onnxruntime", "fp16", half)]
    run = write_run(tmp_path / "run", rows)
    found = make(settings(tmp_path / "out", run=run, target="jetson", wheel=own("aarch64")))
    (tensorrt,) = (it for it in found.rungs if it.backend == "tensorrt")
    assert (tensorrt.name, tensorrt.gate, tensorrt.device) == ("tensorrt-fp16", "passed", "cuda")
    assert tensorrt.gate_of == "the same ONNX file on onnxruntime"
    assert tensorrt.claim_ms is None
    out = tmp_path / "out"
    for name in read(out).golden:
        fp32 = (out / "golden/masks/native-fp32" / name).read_bytes()
        assert (out / tensorrt.masks / name).read_bytes() == fp32
    assert "--system-site-packages" in (out / "run.sh").read_text()


def test_online_leaves_the_wheels_of_others_out_and_keeps_their_hashes(tmp_path, settings):
    make(settings(tmp_path / "out", online=True))
    (wheel,) = (tmp_path / "out" / "wheels").iterdir()
    assert wheel.name.startswith("scunext_edge-")
    assert "numpy==" in (tmp_path / "out" / "requirements.txt").read_text()
    assert "--no-index" not in (tmp_path / "out" / "run.sh").read_text()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"target": "x86"}, ConfigError, "no target 'x86'"),
        ({"backends": ("openvino",)}, ConfigError, "holds no openvino"),
        ({"python": "2.7"}, ConfigError, "no version of Python"),
        ({"artifact": "unext"}, ConfigError, "says nothing of unext"),
        ({"run": None}, ConfigError, "none was given"),
    ],
)
def test_what_cannot_be_bundled_is_refused_before_anything_is_written(
    tmp_path, settings, changes, error, message
):
    with pytest.raises(error, match=message):
        make(settings(tmp_path / "out", **changes))
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_for_another_processor_or_without_the_library_is_refused(
    tmp_path, settings, own, make_wheel
):
    from scunext_edge import __version__

    other = own("riscv64")
    tag = f"py3-none-linux_{platform.machine()}"
    bare = make_wheel(tmp_path, "scunext-edge", __version__, tag=tag)
    old = make_wheel(tmp_path, "scunext-edge", "0.0.1")
    for wheel, error in ((other, ExportError), (bare, ExportError), (old, ConfigError)):
        with pytest.raises(error, match="scunext_edge"):
            make(settings(tmp_path / "out", wheel=wheel))
        assert not (tmp_path / "out").exists()


def test_wheels_that_cannot_be_had_are_named_with_a_way_out(tmp_path, settings):
    (tmp_path / "none").mkdir()
    with pytest.raises(ExportError, match="numpy") as raised:
        make(settings(tmp_path / "out", wheels=tmp_path / "none"))
    assert "pip download" in raised.value.hint
    assert "--platform manylinux" in raised.value.hint


def test_a_bundle_is_never_written_over(tmp_path, settings):
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageError, match="exists already"):
        make(settings(tmp_path / "out"))


def test_a_description_that_is_incomplete_is_refused(bundle):
    content = read_json(bundle / "bundle.json")
    del content["rungs"][0]["backend"]
    write_json(bundle / "bundle.json", content)
    with pytest.raises(ArtifactError, match="describes no whole bundle"):
        read(bundle)
