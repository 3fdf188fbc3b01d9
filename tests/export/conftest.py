"""Networks with seeded weights whose logits lie on both sides of 0, and their exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scunext_edge.artifacts import Artifact
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.export import parity
from scunext_edge.spec import ModelSpec

SIZE = 64


def make_checkpoint(model: str, directory: Path, *, size: int = SIZE) -> Artifact:
    """Statistics as after some training; the last layer scaled so that logits reach about +-5."""
    torch = pytest.importorskip("torch")
    from scunext_edge.models import registry
    from scunext_edge.models.checkpoint import save_network
    from scunext_edge.models.contract import Deployable

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(5)
        network = registry.build(model).eval()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
        spec = ModelSpec(size=size)
        logits = Deployable(network, spec)(torch.from_numpy(parity.default_images(size, 2)))
        factor = 2 / logits.std()
        network.final.weight.mul_(factor)
        network.final.bias.sub_(logits.median()).mul_(factor)
        return save_network(network, directory, model=model, spec=spec)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return parity.default_images(SIZE, 5)


@pytest.fixture(scope="session")
def calibration() -> SyntheticLesions:
    return SyntheticLesions(4, seed=3, size=(64, 64))


@pytest.fixture
def tiny(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """One convolution, as another package's network: quick to trace."""
    torch = pytest.importorskip("torch")
    from scunext_edge.models import catalogue
    from scunext_edge.models.checkpoint import random_network

    class EntryPoint:
        def load(self) -> object:
            return lambda: torch.nn.Conv2d(3, 1, 3, padding=1, bias=False)

    monkeypatch.setattr(catalogue, "foreign", lambda: {"tiny": EntryPoint()})
    return random_network("tiny", tmp_path_factory.mktemp("tiny") / "tiny", size=SIZE)


@pytest.fixture(scope="session")
def scunext(folder: Path) -> Artifact:
    return make_checkpoint("scunext", folder / "scunext")


@pytest.fixture(scope="session")
def scunext_onnx(scunext: Artifact, folder: Path) -> Artifact:
    pytest.importorskip("onnxscript")
    from scunext_edge.export.to_onnx import to_onnx

    return to_onnx(scunext, folder / "scunext-onnx")


@pytest.fixture(scope="session")
def scunext_int8(scunext_onnx: Artifact, calibration: SyntheticLesions, folder: Path) -> Artifact:
    from scunext_edge.export.to_int8 import to_int8

    return to_int8(scunext_onnx, folder / "scunext-int8", calibration=calibration)


@pytest.fixture(scope="session")
def scunext_int8_tensorrt(
    scunext_onnx: Artifact, calibration: SyntheticLesions, folder: Path
) -> Artifact:
    from scunext_edge.export.to_int8 import to_int8

    out = folder / "scunext-int8-trt"
    return to_int8(scunext_onnx, out, calibration=calibration, for_engine="tensorrt")


@pytest.fixture(scope="session")
def unext_onnx(folder: Path) -> Artifact:
    pytest.importorskip("onnxscript")
    from scunext_edge.export.to_onnx import to_onnx

    return to_onnx(make_checkpoint("unext", folder / "unext"), folder / "unext-onnx")
