"""What the server says, as types: its OpenAPI document is made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NOTICE = "Not a medical device. The outline is no finding and has not been validated clinically."


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What computed a mask."""

    scunext_edge: str
    bundle: str  # ids are hashes of bytes
    model: str
    form: str  # the rung of the bundle's ladder that this device accepted
    precision: str
    gate: str  # of accuracy: passed, reference, or why this form should not be relied on
    artifact: str
    engine: str
    engine_version: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logits:
    """What the network said, at its own size."""

    width: int
    height: int
    float32: str  # base64 of little-endian rows; above 0 is lesion


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One reason to doubt a picture or its mask."""

    name: str
    value: float | None
    limit: float | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Whether picture and mask are like those that the limits were set on."""

    usable: bool
    flags: Sequence[Flag]
    values: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """A picture's mask and what was measured in it. What is not known is null."""

    id: str
    notice: str
    picture_sha256: str  # of the bytes that came
    width: int  # of the picture, upright, in pixels
    height: int
    area_pixels: int
    area_fraction: float
    spacing_mm: tuple[float, float] | None  # between rows, between columns
    spacing_from: str | None  # request, or what the file measures: object, detector
    area_mm2: float | None
    mask: str  # base64 of a PNG of 0 and 255, at the picture's size
    contour: Sequence[Sequence[tuple[int, int]]]  # corners between pixels, the largest region first
    quality: Quality | None  # null: the bundle has no limits
    logits: Logits | None  # with ?logits=true
    picture: str | None  # base64 of a PNG, as it was decoded; with ?picture=true
    versions: Versions
    time_ms: dict[str, float]  # receive, wait, decode, network, measure, encode, total


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The server's process answers."""

    alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """A picture would be segmented now."""

    ready: bool
    versions: Versions
    workers: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a client has to know before it sends anything."""

    notice: str
    version: str
    needs_token: bool
    admitted: bool  # none is needed, or the one that came with this question is right
    keeps_pictures: bool
    max_bytes: int
    max_pixels: int


def segmentation(
    fields: dict[str, Any], blobs: dict[str, str], *, id: str, versions: dict[str, Any]
) -> dict[str, Any]:
    """A ``Segmentation`` as JSON, from a worker's fields and its blobs in base64."""
    width, height = fields.pop("logits_size")
    logits = blobs.get("logits")
    return {
        "id": id,
        "notice": NOTICE,
        **fields,
        "mask": blobs["mask"],
        "logits": logits and {"width": width, "height": height, "float32": logits},
        "picture": blobs.get("picture"),
        "versions": versions,
    }
