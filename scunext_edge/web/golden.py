"""Pictures whose masks are known: the page segments them before it takes anybody's photo."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image as PillowImage

from scunext_edge.artifacts import Artifact
from scunext_edge.data import synthetic
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import open_runner
from scunext_edge.spec import Image, Mask

# (index, height, width) of seed 0: larger than the network, smaller, and upright.
_DRAWN = ((5, 192, 288), (1, 100, 132), (3, 150, 110))


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A picture, uint8 [H, W, 3], and the mask that has to come out, bool [H, W]."""

    image: Image
    mask: Mask

    def png(self) -> bytes:
        """The picture as a PNG file: a browser decodes it to the same bytes."""
        stream = io.BytesIO()
        PillowImage.fromarray(self.image).save(stream, format="PNG", optimize=True)
        return stream.getvalue()

    def mask_sha256(self) -> str:
        """Of the mask as bytes of 0 and 1, row by row."""
        return hashlib.sha256(np.ascontiguousarray(self.mask, np.uint8).tobytes()).hexdigest()


def draw_golden(artifact: Artifact) -> tuple[Golden, ...]:
    """Drawn lesions with the masks that the native engine finds here; INT8 finds them anywhere."""
    runner = open_runner(artifact, "native", device="cpu", threads=1)
    try:
        predictor = Predictor(runner)
        images = [synthetic.draw(0, index, (height, width))[0] for index, height, width in _DRAWN]
        return tuple(Golden(image=it, mask=predictor.predict(it).mask) for it in images)
    finally:
        runner.close()
