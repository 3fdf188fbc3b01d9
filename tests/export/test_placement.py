"""The Q/DQ file's places are found in the network, which then computes what the file does."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.errors import ExportError
from scunext_edge.export import graph
from scunext_edge.export.forwards import onnx_forward, torch_forward
from scunext_edge.export.placement import placement
from scunext_edge.export.weight_codes import WeightCodes

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")
from scunext_edge.export.to_int8 import quantize  # noqa: E402
from scunext_edge.models.checkpoint import load_network, save_network  # noqa: E402
from scunext_edge.models.contract import Deployable  # noqa: E402
from scunext_edge.training.fake_quantization import FakeQuantized  # noqa: E402
from scunext_edge.training.folding import fold  # noqa: E402

CODES = [WeightCodes(), WeightCodes(bits=4), WeightCodes(bits=4, per_channel=False)]


def content(artifact):
    return artifact.file(".onnx").read_bytes()


@pytest.fixture(scope="module")
def placed(scunext_onnx, scunext_int8):
    return placement(content(scunext_onnx), content(scunext_int8), top=127)


def test_every_quantized_node_is_placed_with_the_scale_of_its_input(placed, scunext_int8):
    model = onnx.load(scunext_int8.file(".onnx"))
    assert [it.node for it in placed] == [it.name for it in graph.quantized_nodes(model)]
    constants = {it.name: onnx.numpy_helper.to_array(it) for it in model.graph.initializer}
    makers = graph.producers(model.graph)
    for node, it in zip(graph.quantized_nodes(model), placed, strict=True):
        assert it.input_scale == constants[makers[node.input[0]].input[1]]


def test_every_place_is_a_layer_and_attention_is_none(scunext, placed):
    network = load_network(scunext).network
    layers = fold(network, placed)
    assert len(layers) == len(placed) == 29
    every = {
        name
        for name, it in network.named_modules()
        if isinstance(it, (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear))
    }
    assert {name.split(".")[-2] for name in every - set(layers)} == {"attend"}


def test_folding_changes_no_logit_and_leaves_the_network_s_form(scunext, placed, images, tmp_path):
    network = load_network(scunext)
    before, names = torch_forward(network)(images), list(network.network.state_dict())
    fold(network.network, placed)
    np.testing.assert_allclose(torch_forward(network)(images), before, atol=2e-4)
    assert list(network.network.state_dict()) == names
    saved = save_network(network.network, tmp_path / "folded", model="scunext", spec=scunext.spec)
    np.testing.assert_allclose(torch_forward(load_network(saved))(images), before, atol=2e-4)


def test_folding_twice_is_folding_once(scunext, placed):
    network = load_network(scunext).network
    fold(network, placed)
    once = {name: it.clone() for name, it in network.state_dict().items()}
    fold(network, placed)
    for name, value in network.state_dict().items():
        assert torch.equal(value, once[name]), name


@pytest.mark.parametrize("codes", CODES, ids=str)
def test_the_rounded_network_computes_what_the_file_does(
    scunext, scunext_onnx, calibration, images, codes
):
    """Sums in another order put a few activations on the other side of a rounding edge, and each
    moves what follows by a code: with no rounding at all, ten times as much is apart."""
    original = content(scunext_onnx)
    made = quantize(original, calibration, size=64, method="minmax", codes=codes)
    network = load_network(scunext)
    layers = fold(network.network, placement(original, made, top=codes.top))
    rounded = Deployable(FakeQuantized(network.network, layers), scunext.spec).eval()
    expected = onnx_forward(made, as_written=True)(images)
    found, plain = torch_forward(rounded)(images), onnx_forward(original)(images)
    apart, without = (np.sqrt(np.mean((it - expected) ** 2)) for it in (found, plain))
    assert apart < 0.1 * without


def test_another_network_s_file_is_refused(placed, scunext_onnx, tmp_path):
    from scunext_edge.models import registry

    network = registry.build("scunext")
    with pytest.raises(ExportError, match="are those of no layer of the checkpoint"):
        fold(network, placed)


def test_layers_with_the_same_weights_are_not_told_apart(scunext, placed):
    network = load_network(scunext).network
    linear = network.encoder.mlp4.fc1, network.encoder.mlp4.fc2
    linear[1].weight.data.copy_(linear[0].weight.data)
    with pytest.raises(ExportError, match=r"mlp4\.fc1, encoder\.mlp4\.fc2"):
        fold(network, placed)


def test_a_product_of_two_activations_cannot_be_tuned(scunext_onnx, scunext_int8):
    before = onnx.load(scunext_onnx.file(".onnx"))
    node = next(it for it in before.graph.node if it.op_type == "MatMul")
    node.input[1] = node.input[0]
    with pytest.raises(ExportError, match=f"{node.name} .MatMul. has no constant weights"):
        placement(before.SerializeToString(), content(scunext_int8), top=127)
