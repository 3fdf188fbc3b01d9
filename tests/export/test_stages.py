"""What reaches the first convolution, and the first layer that differs, of networks that ship."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.data.preprocess import to_network
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.export.stages import first_divergence, normalisation_fault, normalised
from scunext_edge.weights.shipped import shipped

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def image():
    return to_network(SyntheticLesions(1, seed=4)[0].image_hwc, 256)


@pytest.mark.parametrize("form", ["onnx-fp32", "onnx-int8", "native-fp32", "native-int8"])
@pytest.mark.parametrize("model", ["scunext", "unext"])
def test_what_ships_is_normalised_as_the_contract_says(model, form, image):
    artifact = shipped(model, form)
    values = normalised(artifact, image)
    assert values.shape == image.shape
    assert normalisation_fault(values, image, artifact.spec) is None


def test_an_openvino_file_shows_its_normalisation_too(tmp_path, image):
    pytest.importorskip("openvino")
    from scunext_edge.export.to_openvino import to_openvino

    artifact = to_openvino(shipped("unext", "onnx-fp32"), tmp_path / "openvino", precision="fp32")
    assert normalisation_fault(normalised(artifact, image), image, artifact.spec) is None


def test_a_checkpoint_does_not_show_it(image):
    assert normalised(shipped("unext", "checkpoint"), image) is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x: x[..., ::-1], "read as BGR"),
        (
            lambda x: x + np.float32([0, 0.5, 0]),
            "channel 1 is shifted: its mean is 0.344",
        ),
        (lambda x: x * np.float32([1, 1, 1.5]), "channel 2 is off"),
        (lambda x: x[:-1], "it has the shape"),
    ],
)
def test_a_fault_is_named(spoil, words, image):
    artifact = shipped("unext", "onnx-fp32")
    values = normalised(artifact, image)
    assert words in normalisation_fault(spoil(values), image, artifact.spec)


def test_the_layers_of_an_int8_network_follow_those_of_its_parent(image):
    one, other = shipped("unext", "onnx-fp32"), shipped("unext", "onnx-int8")
    assert first_divergence(one, other, image[None]) is None


def test_a_half_precision_file_is_compared_too(image, tmp_path):
    from scunext_edge.export.to_fp16 import to_fp16

    one = shipped("unext", "onnx-fp32")
    assert first_divergence(one, to_fp16(one, tmp_path / "half"), image[None]) is None


def test_another_network_differs_from_the_first_convolution_on(image, tmp_path):
    import onnx
    from onnx import numpy_helper

    from scunext_edge.artifacts import load, new_artifact

    original = shipped("unext", "onnx-fp32")
    model = onnx.load(original.file(".onnx"))
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    (weights,) = (it for it in model.graph.initializer if it.name == first.input[1])
    negated = -numpy_helper.to_array(weights)
    weights.CopyFrom(numpy_helper.from_array(negated, weights.name))
    with new_artifact(tmp_path / "other", original.card) as folder:
        (folder / "model.onnx").write_bytes(model.SerializeToString())
    found = first_divergence(original, load(tmp_path / "other"), image[None])
    assert (found.layer, found.operator) == (first.output[0], "Conv")
    assert found.error > 1
