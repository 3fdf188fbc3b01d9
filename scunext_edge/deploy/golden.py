"""Golden images, drawn by this package, and the masks that each form finds in them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image as PillowImage

from scunext_edge import isolate
from scunext_edge.data.synthetic import draw
from scunext_edge.deploy.ladder import Form
from scunext_edge.errors import ArtifactError, ConfigError

WORKER = "scunext_edge.deploy.golden_worker"
_SEED = 2026
_DRAWN = 12
SIZES = ((256, 256), (384, 512), (512, 384), (300, 400))
# Larger than the network, smaller, and upright; small, since a page is loaded over networks.
PAGE_SIZES = ((192, 288), (100, 132), (150, 110))
_AREA = (0.02, 0.8)  # nearly nothing or everything found would hide what is wrong

# Share of a golden mask's pixels that may differ on another machine. The native engine adds up
# alike everywhere, and the last bit of the float resize alone may differ (docs/resize.md). Others
# add up in an order of their own; a rounding that flips one INT8 value moves an outline.
_MOST_FLIPPED = {
    ("native", "int8"): 2e-5,
    ("native", "fp32"): 2e-4,
    ("onnxruntime", "fp32"): 2e-4,
    ("onnxruntime", "fp16"): 2e-3,
    ("onnxruntime", "int8"): 5e-3,
    ("tensorrt", "fp32"): 1e-3,
    ("tensorrt", "fp16"): 3e-3,
    ("tensorrt", "int8"): 2e-2,
}


def most_flipped(form: Form) -> float:
    """How far a rung's masks may be from its golden ones, as a share of the pixels."""
    return _MOST_FLIPPED[form.backend, form.artifact.card.precision]


def make_golden(
    forms: Sequence[Form],
    images: Path,
    masks: Path,
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> tuple[str, ...]:
    """Draw images into ``images``, and into ``masks/RUNG`` what each form finds in them here.

    There is one of each size (rows, columns), as far as lesions are found in them.

    An engine that is built on the device cannot run here: its masks are those of a form in FP32.
    Returns the names of the images.
    """
    here = [form for form in forms if form.backend != "tensorrt"]
    if not here:
        raise ConfigError(
            "golden masks need a form that runs here, and only TensorRT was asked for",
            hint="add --backend native, which the device falls back on as well",
        )
    twin = next((form for form in here if form.artifact.card.precision == "fp32"), here[-1])
    images.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as folder:
        drawn = _draw(images, sizes)
        areas = _masks(twin, drawn, Path(folder))
    telling = [
        path for path, area in zip(drawn, areas, strict=True) if _AREA[0] <= area <= _AREA[1]
    ]
    chosen = telling[: len(sizes)]
    if len(chosen) < len(sizes):
        raise ArtifactError(
            f"{twin.name} finds a lesion in {len(telling)} of {_DRAWN} drawn images: masks that "
            "are empty or full prove nothing",
            hint="a network for other pictures cannot be bundled yet",
        )
    for path in set(drawn) - set(chosen):
        path.unlink()
    for form in forms:
        _masks(form if form in here else twin, chosen, masks / form.name)
    return tuple(path.name for path in chosen)


def _draw(folder: Path, sizes: Sequence[tuple[int, int]]) -> list[Path]:
    paths = []
    for index in range(_DRAWN):
        image, _ = draw(_SEED, index, sizes[index % len(sizes)])
        paths.append(folder / f"drawn-{index:02d}.png")
        PillowImage.fromarray(image).save(paths[-1])
    return paths


def _masks(form: Form, images: Sequence[Path], folder: Path) -> list[float]:
    job = {
        "artifact": str(form.artifact.directory),
        "backend": form.backend,
        "device": form.claim.device,
        "threads": form.claim.threads,
        "images": [str(path) for path in images],
        "masks": str(folder),
    }
    areas: list[float] = isolate.call(WORKER, job)
    return areas
