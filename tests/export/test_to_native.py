from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from scunext_edge.errors import BackendMissing, ConfigError
from scunext_edge.export.export import export
from scunext_edge.kernels import native
from scunext_edge.kernels.plan import read_plan

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_an_onnx_artifact_becomes_one_file(scunext_onnx, scunext_int8, tmp_path, precision):
    source = scunext_int8 if precision == "int8" else scunext_onnx
    made, again = (
        export(source, to="native", precision=precision, out=tmp_path / name)[-1]
        for name in ("one", "two")
    )
    assert (made.card.format, made.card.precision, made.card.parent) == (
        *("native", precision),
        source.id,
    )
    assert made.card.quantizer == source.card.quantizer
    proof = ["calibration.json"] if precision == "int8" else []
    assert list(made.digests) == [*proof, "model.scx"]
    assert all(made.digests[name] == source.digests[name] for name in proof)
    assert made.id == again.id
    plan = read_plan(made.file(".scx").read_bytes())
    assert plan.precision == precision
    assert json.loads(plan.contract) == json.loads(json.dumps(asdict(made.spec)))


def test_int8_from_fp32_goes_by_the_one_quantized_graph(scunext_onnx, calibration, tmp_path):
    made = export(
        scunext_onnx,
        to="native",
        precision="int8",
        out=tmp_path / "n",
        calibration=calibration,
        keep=True,
    )
    assert [step.directory.name for step in made] == ["n-onnx-int8", "n"]
    assert made[1].card.parent == made[0].id
    assert made[1].card.details["calibration"] == made[0].card.details["calibration"]


def test_without_the_library_the_reference_is_compared(scunext_onnx, tmp_path, monkeypatch):
    def missing(*args, **options):
        raise BackendMissing("not built")

    monkeypatch.setattr(native, "open_model", missing)
    (made,) = export(scunext_onnx, to="native", precision="fp32", out=tmp_path / "n")
    assert made.card.details["parity_ran_on"] == "reference"
    assert made.card.details["parity"]["max_logit_difference"] < 1e-4


@pytest.mark.parametrize(
    ("to", "precision", "said"),
    [("native", "fp16", "native is not made in fp16"), ("onnx", "bf16", "onnx is not made in")],
)
def test_precisions_that_an_engine_has_not(scunext_onnx, tmp_path, to, precision, said):
    with pytest.raises(ConfigError, match=said):
        export(scunext_onnx, to=to, precision=precision, out=tmp_path / "n")


def test_a_graph_typed_for_tensorrt_is_refused(scunext_int8_tensorrt, tmp_path):
    with pytest.raises(ConfigError, match="made for tensorrt"):
        export(scunext_int8_tensorrt, to="native", precision="int8", out=tmp_path / "n")
    assert not (tmp_path / "n").exists()
