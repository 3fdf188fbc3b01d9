"""The rung of a tuned network: the same Q/DQ file with other weights, made for real."""

from __future__ import annotations

import pytest
from PIL import Image as PillowImage

from scunext_edge.data.calibration import open_calibration
from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.images import write_mask
from scunext_edge.data.source import Source, calibration_images
from scunext_edge.data.splits import make_split, save_split
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import ExportError
from scunext_edge.evaluation import quick_worker
from scunext_edge.export import graph
from scunext_edge.export.weight_codes import WeightCodes
from scunext_edge.pipeline.quantize import tuned as module
from scunext_edge.pipeline.quantize.settings import Settings, checkpoint_of
from scunext_edge.weights.shipped import shipped

pytestmark = pytest.mark.slow  # trains: `make test-long`

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from scunext_edge.export.to_int8 import to_int8  # noqa: E402

CODES = WeightCodes(bits=3, per_channel=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, lesions = tmp_path_factory.mktemp("lesions"), SyntheticLesions(36, seed=6)
    (folder / "images").mkdir()
    for sample in map(lesions.__getitem__, range(len(lesions))):
        PillowImage.fromarray(sample.image_hwc).save(folder / "images" / f"{sample.id}.png")
        write_mask(folder / "masks" / f"{sample.id}.png", sample.mask_hw)
    split = make_split(open_dataset(folder), val=0.15, test=0, calibration=2)
    save_split(folder / "split.json", split)
    return folder


@pytest.fixture(scope="module")
def settings(data, tmp_path_factory):
    return Settings(
        parent=shipped("unext", "onnx-fp32"),
        data=data,
        out=tmp_path_factory.mktemp("search"),
        codes=CODES,
        qat=2,
        checkpoint=checkpoint_of("unext", None, qat=2),
    )


@pytest.fixture(scope="module")
def int8(settings, tmp_path_factory):
    images, screening = open_calibration(calibration_images(settings.data))
    return to_int8(
        settings.parent,
        tmp_path_factory.mktemp("int8") / "int8",
        calibration=images,
        screening=screening,
        codes=CODES,
    )


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def tune(settings, int8, out):
    images, screening = open_calibration(calibration_images(settings.data))
    return module.tuned(
        settings,
        int8,
        out,
        calibration=images,
        screening=screening,
        advance=lambda what, done, of: None,
        on_epoch=lambda: None,
    )


def form(artifact):
    """All but the values: nodes with their connections, types of constants."""
    model = onnx.load(artifact.file(".onnx"))
    graph.check_quantized(model)
    constants = [(it.name, it.data_type, tuple(it.dims)) for it in model.graph.initializer]
    return [it.SerializeToString() for it in model.graph.node], constants


def test_it_is_the_same_file_with_other_weights_and_a_better_network(
    settings, int8, tmp_path, monkeypatch, one_thread
):
    from scunext_edge.training import qat

    monkeypatch.setattr(qat, "RATE", 1e-3)  # so that a few steps suffice
    made = tune(settings, int8, tmp_path / "qat-2")
    assert form(made) == form(int8)
    assert made.id != int8.id
    details = made.card.details
    assert details["weights"] == {"bits": 3, "per_channel": False}
    assert details["tuning"]["start"] == {
        "checkpoint": shipped("unext", "checkpoint").id,
        "int8": int8.id,
        "weights": details["weights"],
    }
    assert details["tuning"]["recipe"]["epochs"] == 2
    assert details["training"] == settings.parent.card.details["training"]
    source = Source(folder=str(settings.data), part="val")
    job = {
        "artifacts": [str(it.directory) for it in (int8, made)],
        "backend": "onnxruntime",
        "device": "cpu",
        "threads": 1,
        "source": source.to_json(),
        "ids": list(source.open().ids),
    }
    rounded, tuned = quick_worker.work(job)
    assert tuned > rounded + 0.05


def test_a_network_that_does_not_compute_what_the_file_does_is_not_tuned(
    settings, int8, tmp_path, monkeypatch
):
    from scunext_edge.training import fake_quantization

    monkeypatch.setattr(fake_quantization, "CODES", (-4, 4))
    with pytest.raises(ExportError, match="not what its Q/DQ file computes"):
        tune(settings, int8, tmp_path / "qat-2")
    assert not list(tmp_path.iterdir())


def test_another_placement_than_that_of_the_file_is_an_error(settings, int8, tmp_path, monkeypatch):
    from scunext_edge.training import qat

    found = iter([["one", "two"], ["one"]])
    monkeypatch.setattr(qat, "tune", lambda *asked, **how: shipped("unext", "checkpoint"))
    monkeypatch.setattr(module, "quantized_layers", lambda content: next(found))
    with pytest.raises(ExportError, match="is quantized at other places"):
        tune(settings, int8, tmp_path / "qat-2")
