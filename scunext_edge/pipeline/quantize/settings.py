"""What ``quantize`` is asked to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.artifacts import Artifact, load
from scunext_edge.errors import ConfigError, require
from scunext_edge.export.weight_codes import FULL, WeightCodes
from scunext_edge.runtime.registry import formats
from scunext_edge.weights.shipped import names, shipped

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``parent``: an FP32 ONNX artifact. ``part``: what Dice is bounded on; never test.

    ``qat``: epochs of tuning, with the ``checkpoint`` that ``parent`` was exported from.
    """

    parent: Artifact
    data: Path
    out: Path
    max_drop: float = 0.005
    budget_s: float = 1800.0
    backend: str = "onnxruntime"
    device: str = "cpu"
    threads: int = 1
    part: str = "val"
    method: str = "minmax"
    nncf: bool = False  # NNCF's accuracy control, measured beside the ladder
    codes: WeightCodes = FULL
    qat: int | None = None
    checkpoint: Artifact | None = None
    images: int = 150  # that layers are ranked on; the bound is shown on all of the part
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.part != "val":
            why = "sets the ranges" if self.part in {"train", "calibration"} else "is scored later"
            raise ConfigError(
                f"the loss cannot be bounded on the part {self.part!r}, which {why}",
                hint="use val",
            )
        if self.nncf and self.backend != "openvino":
            raise ConfigError("NNCF writes OpenVINO files", hint="add --backend openvino")
        if self.nncf and self.codes != FULL:
            raise ConfigError(
                "NNCF gives weights eight bits per channel",
                hint="leave --nncf out, or --weight-bits and --per-tensor",
            )
        if "onnx" not in formats(self.backend):
            raise ConfigError(
                f"{self.backend} reads no ONNX, and every rung of the ladder is an ONNX file",
                hint="use onnxruntime or openvino; export what was found for the others afterwards",
            )
        if self.out.exists() and not self.out.is_dir():
            raise ConfigError(f"{self.out} is a file", hint="give --out a folder")
        if not -1 < self.max_drop < 1:
            raise ConfigError(f"a bound of {self.max_drop} on the loss of Dice", hint="e.g. 0.005")
        if self.images < 1:
            raise ConfigError(f"{self.images} images to rank on", hint="use 1 or more")
        card = self.parent.card
        if (card.format, card.precision) != ("onnx", "fp32"):
            raise ConfigError(
                f"quantize starts from onnx fp32, and {self.parent.directory} is "
                f"{card.format} {card.precision}",
                hint="scunext-edge export CHECKPOINT --to onnx -p fp32",
            )
        self._check_tuning()

    def _check_tuning(self) -> None:
        if self.qat is None:
            if self.checkpoint is not None:
                raise ConfigError("a checkpoint is for tuning alone", hint="add --qat EPOCHS")
            return
        require("torch", "torch", needed_for="tuning a network")
        if self.qat < 1:
            raise ConfigError(f"{self.qat} epochs of tuning", hint="use 1 or more, e.g. --qat 3")
        if self.checkpoint is None:
            raise ConfigError(
                f"tuning starts from the checkpoint that {self.parent.directory} was exported "
                "from, and none was given",
                hint="add --checkpoint FOLDER",
            )
        if self.parent.card.parent != self.checkpoint.id:
            raise ConfigError(
                f"{self.parent.directory} was not exported from {self.checkpoint.directory}",
                hint="give --checkpoint the folder that it was exported from",
            )


def checkpoint_of(artifact: str, given: Path | None, *, qat: int | None) -> Artifact | None:
    """What is tuned, if anything is: the checkpoint given, else that of a network that ships."""
    if given is not None:
        return load(given)
    return shipped(artifact, "checkpoint") if qat is not None and artifact in names() else None


def seconds(text: str) -> float:
    """``90s``, ``30m``, ``1.5h``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not found or not float(found[1]):
        raise ConfigError(f"{text!r} is no time budget", hint="e.g. 90s, 30m or 2h")
    return float(found[1]) * _UNITS[found[2]]
