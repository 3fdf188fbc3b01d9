"""A picture as it is segmented, and what its file says about its size in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scunext_edge.errors import DataError
from scunext_edge.spec import Image


class TooLarge(DataError):
    """A picture of more pixels than are decoded, by its header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image, upright, with the distance between its pixels where that is known."""

    image: Image
    source: Literal["picture", "dicom"]
    spacing_mm: tuple[float, float] | None = None  # between rows, between columns
    # "detector": an X-ray's shadow is measured, which is larger than what cast it.
    spacing_at: Literal["object", "detector"] | None = None

    def area_mm2(self, pixels: int) -> float | None:
        """The area of so many pixels, at ``spacing_at``."""
        if self.spacing_mm is None:
            return None
        return pixels * self.spacing_mm[0] * self.spacing_mm[1]
