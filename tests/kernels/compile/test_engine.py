"""Whole networks on the engine: against torch, ONNX Runtime, and the reference to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from scunext_edge.export import parity
from scunext_edge.export.forwards import onnx_forward, torch_forward
from scunext_edge.kernels import native, reference
from scunext_edge.kernels.compile.compile import compile_plan
from scunext_edge.kernels.plan import read_plan

SIZE = 64
SIZES = [(32, 64), (96, 32)]
# Untrained int8: masks of flat logits differ where one step of a map does (see test_compile)
SAME_PIXELS = {"fp32": 0.999, "bf16": 0.97, "int8": 0.9}

pytestmark = pytest.mark.usefixtures("native_library")


@pytest.fixture(scope="module")
def files(exported):
    """``files(name, precision)``: the bytes of an .scx file, compiled once."""
    made = {}

    def get(name, precision):
        if (name, precision) not in made:
            source = exported(name, "int8" if precision == "int8" else "fp32")
            plan = compile_plan(source, precision=precision, contract={"size": SIZE})
            made[name, precision] = plan.to_bytes()
        return made[name, precision]

    return get


def pictures(size, count=1):
    """Drawn lesions, as much of them as a size shows."""
    height, width = size
    return np.ascontiguousarray(parity.default_images(96, count)[:, :height, :width])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_int8_is_the_reference_to_the_bit_on_every_instruction_set(files, network_name, size):
    file, images = files(network_name, "int8"), pictures(size, 2 if size == SIZES[0] else 1)
    logits = reference.run(read_plan(file), images)
    assert 0 < (logits >= 0).mean() < 1
    for threads, isa in enumerate(native.instruction_sets(), start=1):
        model = native.open_model(file, isa=isa, size=size, threads=threads)
        np.testing.assert_array_equal(model.run(images, "logits"), logits, isa)
        np.testing.assert_array_equal(model.run(images, "score"), reference.score(logits), isa)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_fp32_is_torch_at_any_size(files, network, network_name, size):
    images = pictures(size)
    expected = torch_forward(network(network_name))(images)
    for isa in native.instruction_sets():
        model = native.open_model(files(network_name, "fp32"), isa=isa, size=size, threads=2)
        # logits of about +-5 after up to 40 layers
        np.testing.assert_allclose(model.run(images, "logits"), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("precision", SAME_PIXELS)
def test_masks_are_those_of_onnx_runtime_on_the_same_graph(
    files, exported, network_name, precision
):
    graph = exported(network_name, "int8" if precision == "int8" else "fp32")
    images = pictures((SIZE, SIZE), 2)
    expected = onnx_forward(graph, as_written=True)(images)
    found = native.open_model(files(network_name, precision)).run(images, "logits")
    assert np.mean((found > 0) == (expected > 0)) > SAME_PIXELS[precision]


def test_bf16_is_the_reference_with_the_same_weights(files, network_name):
    file, images = files(network_name, "bf16"), pictures((32, 32))
    expected = reference.run(read_plan(file), images)
    for isa in native.instruction_sets():
        model = native.open_model(file, isa=isa, size=(32, 32))
        np.testing.assert_allclose(model.run(images, "logits"), expected, rtol=0, atol=2e-4)
