"""What a model takes and gives: the contract that every exported form keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scunext_edge.errors import ArtifactError, ConfigError

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Image = npt.NDArray[np.uint8]  # [H, W, 3], RGB
Mask = npt.NDArray[np.bool_]  # [H, W]

Precision = Literal["fp32", "fp16", "bf16", "int8"]
Format = Literal["safetensors", "onnx", "openvino", "tensorrt", "native"]

STRIDE = 32  # the networks halve the image five times
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output. A string in ``shape`` names a dimension that may vary."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def mismatch(self, array: Array) -> str | None:
        """Say in words why ``array`` does not fit, or return None."""
        if array.dtype.name != self.dtype:
            return f"{self.name}: expected {self.dtype}, got {array.dtype.name}"
        fits = len(array.shape) == len(self.shape) and all(
            isinstance(want, str) or want == have
            for want, have in zip(self.shape, array.shape, strict=True)
        )
        return None if fits else f"{self.name}: expected shape {self.shape}, got {array.shape}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """The contract of Part 0 of ``docs/design.md``: uint8 RGB in, logits out.

    Normalisation ((x / 255 - mean) / std) happens inside the model, so that no runtime can
    get it wrong; it is written down here for readers, training and reference engines.
    """

    size: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    labels: tuple[str, ...] = ("lesion",)

    def __post_init__(self) -> None:
        check_size(self.size)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """``image``: uint8 [N, H, W, 3], RGB, at the network's size."""
        return (TensorSpec(name="image", dtype="uint8", shape=("N", self.size, self.size, 3)),)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """``logits``: float32 [N, 1, H, W]; a pixel is lesion where its logit exceeds 0."""
        return (TensorSpec(name="logits", dtype="float32", shape=("N", 1, self.size, self.size)),)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelSpec:
        """Read what ``dataclasses.asdict`` wrote."""
        try:
            return cls(
                size=int(data["size"]),
                mean=_triple(data["mean"]),
                std=_triple(data["std"]),
                labels=tuple(data["labels"]),
            )
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ArtifactError(f"the card's spec cannot be read: {error!r}") from error


def check_size(size: int) -> int:
    """Return ``size`` if the networks accept it as an image side, else raise ``ConfigError``."""
    if size <= 0 or size % STRIDE:
        raise ConfigError(
            f"the networks take images whose sides are multiples of {STRIDE}, not {size}",
            hint=f"use {max(STRIDE, round(size / STRIDE) * STRIDE)}",
        )
    return size


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
