from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.errors import ArtifactError, BackendMissing, ConfigError, ExportError
from scunext_edge.export import parity

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from scunext_edge.export.forwards import onnx_forward, torch_forward  # noqa: E402
from scunext_edge.export.to_onnx import to_onnx, trace  # noqa: E402
from scunext_edge.models.checkpoint import load_network  # noqa: E402


def test_it_is_one_file_of_opset_20_that_keeps_the_contract(scunext_onnx):
    model = onnx.load(scunext_onnx.file(".onnx"))
    assert list(scunext_onnx.digests) == ["model.onnx"]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    (image,), (logits,) = model.graph.input, model.graph.output
    assert _described(image) == ("image", onnx.TensorProto.UINT8, ["N", 64, 64, 3])
    assert _described(logits) == ("logits", onnx.TensorProto.FLOAT, ["N", 1, 64, 64])
    assert scunext_onnx.spec.size == 64


def test_the_cast_comes_first_and_normalisation_layers_are_folded(scunext_onnx):
    model = onnx.load(scunext_onnx.file(".onnx"))
    assert model.graph.node[0].op_type == "Cast"
    assert Counter(node.op_type for node in model.graph.node)["BatchNormalization"] == 0


@pytest.mark.parametrize("count", [1, 3])
def test_it_computes_what_the_checkpoint_computes_for_any_batch(
    scunext, scunext_onnx, images, count
):
    expected = torch_forward(load_network(scunext))(images[:count])
    found = onnx_forward(scunext_onnx.file(".onnx").read_bytes())(images[:count])
    assert 0.1 < np.mean(expected > 0) < 0.9
    # float32 sums in another order: some 1e-6 of logits up to about 10
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_card_says_where_it_comes_from_and_how_far_off_it_is(scunext, scunext_onnx):
    card = scunext_onnx.card
    assert (card.model, card.format, card.precision) == ("scunext", "onnx", "fp32")
    assert card.parent == scunext.id
    assert card.details["checkpoint"] == scunext.id
    assert card.details["parity"]["images"] == 4
    assert 0 <= card.details["parity"]["max_logit_difference"] < 1e-4


def test_nothing_of_the_exporting_machine_remains(scunext_onnx, scunext_int8):
    marks = [sys.prefix, str(Path.home()), str(Path(__file__).parents[2]), str(Path.cwd())]
    marks += ["site-packages", ".py", "stack_trace", "torch.nn", "pkg."]
    for artifact in (scunext_onnx, scunext_int8):
        content = artifact.file(".onnx").read_bytes()
        assert [mark for mark in marks if mark.encode() in content] == []


def test_the_same_checkpoint_gives_the_same_bytes(scunext, scunext_onnx):
    model = trace(load_network(scunext), 64)
    assert model == scunext_onnx.file(".onnx").read_bytes()


def test_fp16_keeps_the_contract(tiny, tmp_path):
    half = to_onnx(tiny, tmp_path / "half", precision="fp16")
    model = onnx.load(half.file(".onnx"))
    assert {it.data_type for it in model.graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert (half.card.precision, half.card.parent) == ("fp16", tiny.id)
    assert half.card.details["parity"]["flipped_pixels"] <= 1e-3


def test_it_exports_at_another_size_than_that_of_training(folder, unext_onnx, tmp_path):
    from scunext_edge import artifacts

    larger = to_onnx(artifacts.load(folder / "unext"), tmp_path / "larger", size=512)
    assert larger.spec.size == 512
    assert larger.spec.outputs[0].shape == ("N", 1, 512, 512)
    assert larger.card.details["parity"]["max_logit_difference"] <= 1e-3


@pytest.mark.parametrize("size", [100, 0, -32])
def test_a_size_that_is_no_multiple_of_32_is_refused(tiny, tmp_path, size):
    with pytest.raises(ConfigError, match="multiples of 32"):
        to_onnx(tiny, tmp_path / "out", size=size)


def test_what_is_beyond_the_limits_is_an_error_and_no_file(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(parity.LIMITS, "fp16", parity.Limits(max_logit_difference=1e-9))
    with pytest.raises(ExportError, match="a logit differs by"):
        to_onnx(tiny, tmp_path / "out", precision="fp16")
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_that_is_no_checkpoint_is_refused(scunext_onnx, tmp_path):
    with pytest.raises(ArtifactError, match="not a checkpoint"):
        to_onnx(scunext_onnx, tmp_path / "out")


def test_an_operator_without_an_onnx_form_is_named():
    class Odd(torch.nn.Module):
        def forward(self, image):
            return torch.special.bessel_j0(image.float().permute(0, 3, 1, 2)[:, :1])

    with pytest.raises(ExportError, match=r"bessel_j0 has no ONNX form") as caught:
        trace(Odd(), 32)
    assert caught.value.__cause__ is not None


def test_a_network_that_cannot_be_traced_says_why():
    class Choosy(torch.nn.Module):
        def forward(self, image):
            return image.float() if image.sum() > 0 else image.float() * 2

    with pytest.raises(ExportError, match="cannot be traced"):
        trace(Choosy(), 32)


def test_an_absent_package_is_named_with_its_extra(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BackendMissing, match="'onnx'") as caught:
        to_onnx(tiny, tmp_path / "out")
    assert caught.value.hint == "pip install 'scunext-edge[onnx]'"


def test_the_exporter_says_nothing(capfd, caplog):
    trace(torch.nn.Sequential(_Contract(), torch.nn.Conv2d(3, 1, 3, padding=1)).eval(), 32)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


class _Contract(torch.nn.Module):
    def forward(self, image):
        return image.float().permute(0, 3, 1, 2)


def _described(value):
    tensor = value.type.tensor_type
    sides = [side.dim_param or side.dim_value for side in tensor.shape.dim]
    return value.name, tensor.elem_type, sides
