"""Networks of every kind with seeded weights, and their ONNX files, made once."""

from __future__ import annotations

from functools import cache

import pytest

from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.export import parity

SIZE = 64
VARIANTS = {
    "unext": {},
    "unext-l": {},
    "scunext": {"skip": True, "fuse": True},
    "scunext-skip": {"skip": True, "fuse": False},
    "scunext-fuse": {"skip": False, "fuse": True},
    "scunext-plain": {"skip": False, "fuse": False},
    "unet": {},
    "unet-paper": {},
    "resunetpp": {},
    "resunetpp-paper": {},
}
BIG = {"unet-paper", "resunetpp-paper"}


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow if name in BIG else ()) for name in VARIANTS]
)
def network_name(request):
    """Each network in turn; what ``network`` and ``exported`` take."""
    return request.param


@cache
def make_network(name):
    """Seeded weights, statistics as after training, logits of +-5 on both sides of 0."""
    torch = pytest.importorskip("torch")
    from scunext_edge.models import registry
    from scunext_edge.models.contract import Deployable
    from scunext_edge.spec import ModelSpec

    options = VARIANTS[name]
    images = torch.from_numpy(parity.default_images(SIZE, 2))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(5)
        built = registry.build(name.split("-")[0] if options else name, **options).eval()
        for module in built.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
        deployable = Deployable(built, ModelSpec(size=SIZE))
        logits = deployable(images)
        last = [module for module in built.modules() if isinstance(module, torch.nn.Conv2d)][-1]
        last = getattr(built, "final", getattr(built, "head", last))
        factor = 2 / logits.std()
        last.weight.mul_(factor)
        last.bias.sub_(logits.median()).mul_(factor)
    return deployable


@pytest.fixture(scope="session")
def network():
    """``network(name)``: a torch module that keeps the contract."""
    return make_network


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Name and precision -> the bytes of an ONNX file, made once."""
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    from scunext_edge.export.to_int8 import quantize
    from scunext_edge.export.to_onnx import trace

    made = {}

    def get(name, precision="fp32"):
        if (name, precision) not in made:
            made[name, precision] = (
                trace(make_network(name), SIZE)
                if precision == "fp32"
                else quantize(get(name), SyntheticLesions(4, seed=3), size=SIZE, method="minmax")
            )
        return made[name, precision]

    return get
