"""``python -m scunext_edge.pipeline.verify.faults``: is each planted fault caught by its check?

Every fault is planted in a copy of a network that ships. A verification that cannot fail proves
nothing: the exit code is 1 if one went unnoticed, or if the network without a fault failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image as PillowImage

from scunext_edge.artifacts import Artifact, Card, load
from scunext_edge.data.calibration import MANIFEST, manifest
from scunext_edge.data.datasets import Dataset, open_dataset
from scunext_edge.data.images import write_mask
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import ScunextEdgeError
from scunext_edge.export.calibration import ids_hash
from scunext_edge.export.writing import write
from scunext_edge.pipeline.verify.checks import Check, check
from scunext_edge.pipeline.verify.leaks import calibration_leaks
from scunext_edge.pipeline.verify.same_bytes import same_bytes
from scunext_edge.pipeline.verify.settings import Settings, Side
from scunext_edge.report.markdown import table
from scunext_edge.runtime.built_for import ENGINE_SUFFIX, engine_bytes
from scunext_edge.runtime.registry import open_runner
from scunext_edge.spec import Image, Mask
from scunext_edge.weights.shipped import names, shipped

if TYPE_CHECKING:
    from onnx import ModelProto

ENGINE = "onnxruntime"
_DRAWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is planted, and which check has to say so."""

    name: str
    caught_by: str
    plant: Callable[[Stage], list[Check]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where faults are planted: a network that ships, images, and room for copies."""

    model: str
    folder: Path
    dataset: Dataset

    def artifact(self, precision: str) -> Artifact:
        """The ONNX file that ships."""
        return shipped(self.model, "onnx-int8" if precision == "int8" else "onnx-fp32")


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant each, print the table; 0, or 1 where one went unnoticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", nargs="?", default="scunext", choices=names())
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as name:
        rows = plant_all(Stage(model=asked.model, folder=Path(name), dataset=_drawn(Path(name))))
    lines = [(row["fault"], row["check"], row["verdict"], row["message"]) for row in rows]
    sys.stdout.write("\n".join(table(("fault", "check", "", "what it said"), lines)) + "\n")
    return 0 if all(row["verdict"] == "caught" for row in rows) else 1


def plant_all(stage: Stage) -> list[dict[str, str]]:
    """One row for each fault, and one for the network as it is, which has to pass."""
    rows = []
    for fault in FAULTS:
        try:
            checks = fault.plant(stage)
        except ScunextEdgeError as error:  # refused before any check
            checks = [check(type(error).__name__, False, str(error))]
        failed = {it["name"]: it["message"] for it in checks if it["verdict"] == "failed"}
        message = failed.get(fault.caught_by)
        others = ", ".join(failed) or "nothing"
        rows.append(
            {
                "fault": fault.name,
                "check": fault.caught_by,
                "verdict": "caught" if message else "UNNOTICED",
                "message": message or f"caught by {others}",
            }
        )
    clean = [
        it["name"]
        for precision in ("fp32", "int8")
        for it in _stages(stage, stage.artifact(precision))
        if it["verdict"] == "failed"
    ]
    rows.append(
        {
            "fault": "none",
            "check": "all of them",
            "verdict": "FALSE ALARM" if clean else "caught",
            "message": f"failed without a fault: {', '.join(clean)}" if clean else "all passed",
        }
    )
    return rows


def _drawn(folder: Path) -> Dataset:
    lesions = SyntheticLesions(_DRAWN, seed=1)
    for sample in map(lesions.__getitem__, range(len(lesions))):
        _write(folder / "data", sample.id, sample.image_hwc, sample.mask_hw)
    return open_dataset(folder / "data")


def _write(folder: Path, name: str, image: Image, mask: Mask) -> None:
    picture = folder / "images" / f"{name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(image).save(picture)
    write_mask(folder / "masks" / f"{name}.png", mask)


def _stages(stage: Stage, candidate: Artifact) -> list[Check]:
    settings = Settings(
        candidate=Side(artifact=candidate, backend=ENGINE),
        reference=Side(artifact=stage.artifact("fp32"), backend=ENGINE),
        data=stage.folder / "data",
    )
    with tempfile.TemporaryDirectory(dir=stage.folder) as room:
        return same_bytes(settings, stage.dataset, Path(room))


def _altered(
    stage: Stage, precision: str, alter: Callable[[ModelProto], None], **card: Any
) -> Artifact:
    """A copy of the ONNX file, altered, with a card that fits it."""
    import onnx

    original = stage.artifact(precision)
    model = onnx.load(original.file(".onnx"))
    alter(model)
    return _copied(stage, replace(original.card, **card), model.SerializeToString())


def _copied(
    stage: Stage, card: Card, content: bytes, more: Mapping[str, bytes] | None = None
) -> Artifact:
    directory = Path(tempfile.mkdtemp(dir=stage.folder)) / "artifact"
    return write(directory, card, {"model.onnx": content, **(more or {})})


def _graph_fault(
    precision: str, alter: Callable[[ModelProto], None]
) -> Callable[[Stage], list[Check]]:
    return lambda stage: _stages(stage, _altered(stage, precision, alter))


def _constant(model: ModelProto, name: str, change: Callable[[Any], Any]) -> None:
    from onnx import numpy_helper

    (tensor,) = (it for it in model.graph.initializer if it.name == name)
    values = numpy_helper.to_array(tensor).copy()
    tensor.CopyFrom(numpy_helper.from_array(change(values).astype(values.dtype), name))


def _shift_mean(model: ModelProto) -> None:
    def red(offset: Any) -> Any:
        offset.reshape(-1)[0] += 0.1 / 0.229
        return offset

    _constant(model, "offset", red)


def _swap_red_and_blue(model: ModelProto) -> None:
    import numpy as np
    from onnx import helper, numpy_helper

    order = numpy_helper.from_array(np.array([2, 1, 0]), "bgr")
    model.graph.initializer.append(order)
    first = model.graph.node[0]
    first.input[0] = "image_bgr"
    swap = helper.make_node("Gather", ["image", "bgr"], ["image_bgr"], name="bgr", axis=3)
    model.graph.node.insert(0, swap)


def _flip_align_corners(model: ModelProto) -> None:
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "coordinate_transformation_mode":
                attribute.s = b"align_corners"


def _swap_channels(model: ModelProto) -> None:
    """Of one layer's weights in the middle: the first output channel and the last."""
    layers = [node for node in model.graph.node if node.op_type == "Conv"]
    constants = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    wide = [it.input[1] for it in layers if constants.get(it.input[1], [0])[0] >= 16]
    _constant(model, wide[len(wide) // 2], lambda w: w[[-1, *range(1, len(w) - 1), 0]])


def _saturate(model: ModelProto) -> None:
    """The scale of an activation in the middle, a twentieth of what it was."""
    scales = [node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    _constant(model, scales[len(scales) // 2], lambda scale: scale / 20)


def _calibrated_on_test(stage: Stage) -> list[Check]:
    """The same pictures under other ids, cut to their centre squares."""
    names = [f"train_{number}" for number in range(len(stage.dataset))]
    return [_leaks_of(stage, _square_copies(stage, names), names)]


def _stale_manifest(stage: Stage) -> list[Check]:
    """The card was written for another list than the manifest beside it."""
    names = [f"train_{number}" for number in range(len(stage.dataset))]
    return [_leaks_of(stage, stage.dataset, names)]


def _square_copies(stage: Stage, names: Sequence[str]) -> Dataset:
    folder = Path(tempfile.mkdtemp(dir=stage.folder))
    for index, name in enumerate(names):
        sample = stage.dataset[index]
        height, width = sample.mask_hw.shape
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        window = (slice(top, top + side), slice(left, left + side))
        _write(folder, name, sample.image_hwc[window], sample.mask_hw[window])
    return open_dataset(folder)


def _leaks_of(stage: Stage, pictures: Dataset, named: Sequence[str]) -> Check:
    """Of a copy whose manifest holds ``pictures`` and whose card names ``named``."""
    ids = list(named)
    facts = {"dataset": "train", "count": len(ids), "ids": ids, "ids_sha256": ids_hash(ids)}
    original = stage.artifact("int8")
    card = replace(original.card, details={**original.card.details, "calibration": facts})
    content = manifest(pictures, method="minmax", screening=None)
    proof = {MANIFEST: json.dumps(content).encode()}
    copy = _copied(stage, card, original.file(".onnx").read_bytes(), proof)
    return calibration_leaks(copy, stage.dataset)


def _foreign_engine(stage: Stage) -> list[Check]:
    """INT8 with FP16 scales, made for TensorRT: it runs elsewhere, and gives something else."""
    original = stage.artifact("int8")
    card = replace(original.card, details={**original.card.details, "for_engine": "tensorrt"})
    open_runner(_copied(stage, card, original.file(".onnx").read_bytes()), ENGINE).close()
    return []


def _another_device(stage: Stage) -> list[Check]:
    """A TensorRT engine of a Thor on an Orin. Its bytes say nothing: they must not be reached."""
    original = stage.artifact("int8")
    built_for = {"gpu": "NVIDIA Thor", "compute_capability": "11.0", "tensorrt": "10.13.3"}
    here = {"gpu": "Orin", "compute_capability": "8.7", "tensorrt": "10.3.0"}
    directory = Path(tempfile.mkdtemp(dir=stage.folder)) / "artifact"
    card = replace(original.card, format="tensorrt", built_for=built_for)
    engine_bytes(write(directory, card, {f"model{ENGINE_SUFFIX}": b"an engine"}), here)
    return []


def _one_byte(stage: Stage) -> list[Check]:
    original = stage.artifact("int8")
    copy = _copied(stage, original.card, original.file(".onnx").read_bytes())
    file = copy.file(".onnx")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    load(copy.directory)
    return []


FAULTS = (
    Fault(
        name="a mean that is shifted",
        caught_by="normalisation",
        plant=_graph_fault("fp32", _shift_mean),
    ),
    Fault(
        name="BGR for RGB",
        caught_by="normalisation",
        plant=_graph_fault("int8", _swap_red_and_blue),
    ),
    Fault(
        name="align_corners flipped",
        caught_by="network",
        plant=_graph_fault("fp32", _flip_align_corners),
    ),
    Fault(
        name="two channels of a layer swapped",
        caught_by="network",
        plant=_graph_fault("int8", _swap_channels),
    ),
    Fault(
        name="a scale that saturates",
        caught_by="network",
        plant=_graph_fault("int8", _saturate),
    ),
    Fault(name="calibrated on test images", caught_by="calibration", plant=_calibrated_on_test),
    Fault(
        name="a calibration manifest that is stale", caught_by="calibration", plant=_stale_manifest
    ),
    Fault(name="another engine's file", caught_by="ConfigError", plant=_foreign_engine),
    Fault(
        name="an engine of another device", caught_by="BackendUnavailable", plant=_another_device
    ),
    Fault(name="one byte altered", caught_by="ArtifactError", plant=_one_byte),
)


if __name__ == "__main__":
    raise SystemExit(main())
