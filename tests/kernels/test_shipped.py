"""The native files that ship: made from the ONNX beside them, and as good on patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.preprocess import to_network
from scunext_edge.data.splits import find_split, part
from scunext_edge.errors import ConfigError
from scunext_edge.kernels import native
from scunext_edge.metrics import score
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import open_runner
from scunext_edge.weights import shipped

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "isic2018"
NETWORKS = ["scunext", "unext"]
PRECISIONS = ["fp32", "int8"]
IMAGES = 66


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_what_ships_is_what_the_onnx_beside_it_compiles_to(network, precision, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from scunext_edge.export.to_native import to_native

    ships = shipped.shipped(network, f"native-{precision}")
    source = shipped.shipped(network, f"onnx-{precision}")
    made = to_native(source, tmp_path / "made", precision=precision)
    assert made.file(".scx").read_bytes() == ships.file(".scx").read_bytes()
    assert (made.id, ships.card.parent) == (ships.id, source.id)
    assert (ships.card.format, ships.card.precision) == ("native", precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_what_predict_takes_for_the_native_engine(network, precision):
    found = shipped.deployed(network, backend="native", precision=precision)
    assert found.id == shipped.shipped(network, f"native-{precision}").id


def test_a_precision_that_does_not_ship_for_it_is_refused():
    with pytest.raises(ConfigError, match="does not ship in bf16 for native") as caught:
        shipped.deployed("unext", backend="native", precision="bf16")
    assert "fp32 or int8 on native" in caught.value.hint


@pytest.mark.usefixtures("native_library")
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_memory_of_a_run_is_known_when_it_opens(network, precision):
    file = shipped.shipped(network, f"native-{precision}").file(".scx")
    model = native.open_model(file)
    found = model.description
    assert (found.precision, found.height, found.width) == (precision, 256, 256)
    assert found.file_bytes == file.stat().st_size
    assert 0 < found.arena_bytes < 8_000_000


@pytest.fixture(scope="module")
def patients():
    """Test images that no training and no calibration has met, with their masks."""
    if not DATA.is_dir():
        pytest.skip(f"no real images at {DATA}")
    images = open_dataset(DATA)
    tested = part(images, find_split(DATA), "test")
    return [tested[index] for index in range(0, len(tested), len(tested) // IMAGES)][:IMAGES]


def dice(runner, samples):
    """Mean over images at their own size, as ``evaluate`` has it."""
    predictor = Predictor(runner)
    masks = [predictor.predict(sample.image_hwc).mask for sample in samples]
    pairs = zip(masks, samples, strict=True)
    return np.mean([score(mask, sample.mask_hw).dice for mask, sample in pairs])


@pytest.mark.usefixtures("native_library")
@pytest.mark.parametrize("network", NETWORKS)
def test_on_patients_int8_loses_no_more_than_half_a_point_of_dice(network, patients):
    pytest.importorskip("onnxruntime")
    runners = {
        form: open_runner(shipped.shipped(network, form), backend, threads=2)
        for form, backend in (
            ("onnx-fp32", "onnxruntime"), ("native-fp32", "native"), ("native-int8", "native"),
        )
    }  # fmt: skip
    found = {form: dice(runner, patients) for form, runner in runners.items()}
    assert found["onnx-fp32"] > 0.75
    # A score cuts where a logit does, but is resized in steps of 1/16
    assert found["native-fp32"] == pytest.approx(found["onnx-fp32"], abs=0.002)
    assert found["native-int8"] == pytest.approx(found["onnx-fp32"], abs=0.005)


@pytest.mark.usefixtures("native_library")
@pytest.mark.parametrize("network", NETWORKS)
def test_on_patients_int8_is_as_near_to_fp32_as_the_same_graph_on_onnx_runtime(network, patients):
    """The engine stores skips as int8, where ONNX has floats: pixels at an edge differ."""
    pytest.importorskip("onnxruntime")
    from scunext_edge.export.forwards import onnx_forward

    images = np.stack([to_network(sample.image_hwc, 256) for sample in patients])
    exact, quantized = (
        onnx_forward(shipped.shipped(network, form).file(".onnx").read_bytes(), as_written=True)(
            images
        )
        > 0
        for form in ("onnx-fp32", "onnx-int8")
    )
    model = native.open_model(shipped.shipped(network, "native-int8").file(".scx"), threads=2)
    found = model.run(images) >= 128
    assert np.mean(found == quantized) > 0.993
    assert np.mean(found == exact) > np.mean(quantized == exact) - 0.001
