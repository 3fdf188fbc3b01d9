"""A small network that passes for a trained one, and one whole benchmark of it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scunext_edge.artifacts import Artifact
from scunext_edge.benchmarks.measure import Plan
from scunext_edge.benchmarks.records import Record, Run, Subject
from scunext_edge.benchmarks.suite import Suite
from scunext_edge.data.preprocess import mask_to_network, to_network
from scunext_edge.data.synthetic import SyntheticLesions, draw
from scunext_edge.pipeline.bench import Outcome, bench
from scunext_edge.pipeline.forms import OFFERED
from scunext_edge.pipeline.settings import Settings
from scunext_edge.spec import ModelSpec

SIZE = 64
DRAWN = SyntheticLesions(4, seed=1)  # the test images of a benchmark without --data
QUICK = Suite(name="quick", rounds=1, warmup=1, values=5, memory=False, timeout_s=120)


def make_checkpoint(directory: Path, *, seed: int = 5, model: str = "unext") -> Artifact:
    """Seeded weights, with a last layer that calls half of the drawn pixels lesion."""
    torch = pytest.importorskip("torch")
    from scunext_edge.models import registry
    from scunext_edge.models.checkpoint import save_network
    from scunext_edge.models.contract import Deployable

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = registry.build(model).eval()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        spec = ModelSpec(size=SIZE)
        images = np.stack([to_network(sample.image_hwc, SIZE) for sample in DRAWN])
        logits = Deployable(network, spec)(torch.from_numpy(images))
        lesion = torch.from_numpy(np.stack([mask_to_network(s.mask_hw, SIZE) for s in DRAWN]))
        is_lesion = lesion[:, None]
        factor = 2 / logits.std() * (logits[is_lesion].mean() - logits[~is_lesion].mean()).sign()
        network.final.weight.mul_(factor)
        network.final.bias.sub_(logits.median()).mul_(factor)
        return save_network(
            network,
            directory,
            model=model,
            spec=spec,
            details={"training": {"epoch": 1, "val_dice": 0.5, "val_iou": 0.4}},
        )


DrawnFolder = Callable[..., Path]


@pytest.fixture(scope="session")
def drawn_folder() -> DrawnFolder:
    """A maker of data sets of drawn lesions, whose ``manifest.csv`` has each part's images."""

    def make(
        path: Path,
        parts: Mapping[str, int],
        *,
        seed: int,
        size: tuple[int, int],
        prefix: str = "",
        negative: bool = False,
    ) -> Path:
        rows = []
        for part, count in parts.items():
            for index in range(count):
                name = f"{prefix}{part}_{index}"
                image, mask = draw(seed, len(rows), size)
                pixels = {"images": 255 - image if negative else image, "masks": 255 * mask}
                for kind, drawn in pixels.items():
                    (path / kind).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(drawn.astype(np.uint8)).save(path / kind / f"{name}.png")
                rows.append({"name": name, "split": part})
        with (path / "manifest.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ["name", "split"])
            writer.writeheader()
            writer.writerows(rows)
        return path

    return make


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A benchmark that went through, with what it was asked to do."""

    settings: Settings
    outcome: Outcome

    @property
    def out(self) -> Path:
        return self.settings.out

    def row(self, backend: str, precision: str, quantizer: str | None = None):
        rows = [
            row
            for row in self.outcome.rows
            if (row.backend, row.precision, row.quantizer) == (backend, precision, quantizer)
        ]
        assert len(rows) == 1
        return rows[0]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_checkpoint(tmp_path_factory.mktemp("trained") / "unext")


@pytest.fixture(scope="module")
def finished(
    checkpoint: Artifact, tmp_path_factory: pytest.TempPathFactory, without_nncf: None
) -> Finished:
    """torch, ONNX Runtime and OpenVINO in FP32 and INT8, and TensorRT, which is not here."""
    for package in ("onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(package)
    settings = Settings(
        out=tmp_path_factory.mktemp("run") / "run",
        suite=QUICK,
        models=(str(checkpoint.directory),),
        drawn=4,
        limits={"dice": 0.9},  # the answer of this gate is not what is asked here
        command=("scunext-edge", "bench"),
    )
    return Finished(settings=settings, outcome=bench(settings))


@pytest.fixture(scope="module")
def without_nncf() -> Iterator[None]:
    """Its own tests are those of the exports; quantizing once more takes ten seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OFFERED, "openvino", (("fp32", None), ("int8", "qdq")))
        yield


MACHINE = {"cpu_model": "a processor", "governor": "performance", "isa": ["avx2"]}


def made_record(level, *, machine=MACHINE, seed=0, **subject):
    rng = np.random.default_rng(seed)
    return Record(
        subject=Subject(
            artifact_id="0123456789abcdef", backend="fake", device="cpu", threads=1,
            precision="fp32", precision_ran="fp32", input_shape=(1, 32, 32, 3), batch=1,
        ) if not subject else subject["subject"],
        region="compute",
        plan=Plan(region="compute", warmup=1, values=20),
        runs=tuple(
            Run(
                started="2026-03-01T10:00:00+00:00",
                environment={"machine": machine, "before": {}, "after": {}},
                warmup_ns=(),
                values_ns=tuple(int(level * it) for it in rng.lognormal(0, 0.003, 20)),
                open_ms=1.0,
                harness_ns=50,
            )
            for _ in range(6)
        ),
    )  # fmt: skip


@pytest.fixture
def record():
    """Make a record of six processes around a level in ns: ``record(1e6, seed=1)``."""
    return made_record
