"""From an image to its mask with a loaded model: what a user of the device gets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scunext_edge.data.preprocess import to_image_size, to_network
from scunext_edge.errors import EngineError
from scunext_edge.quality.assess import Quality, assess
from scunext_edge.quality.limits import Limits
from scunext_edge.runtime.runner import Runner, infer
from scunext_edge.spec import Image, Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was found in one image, at the image's own size."""

    logits_hw: npt.NDArray[np.float32]
    mask: Mask  # where the logit exceeds 0
    quality: Quality | None = None  # None: nobody has set limits for this network

    @property
    def area_fraction(self) -> float:
        """The share of the image's pixels that are lesion."""
        return float(self.mask.mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a network said, at its own size, before it is resized."""

    logits: npt.NDArray[np.float32]
    quality: Quality | None


class Predictor:
    """Stretch to the network's size, infer, resize the logits back, threshold there."""

    def __init__(self, runner: Runner, limits: Limits | None = None) -> None:
        """With ``limits``, every prediction says whether it may be used."""
        self._runner, self._limits = runner, limits

    def predict(self, image: Image) -> Prediction:
        """Segment uint8 [H, W, 3] RGB of any size. Logits that are no numbers: ``EngineError``."""
        return at_image_size(self.run(image), *image.shape[:2])

    def run(self, image: Image) -> Run:
        """What the network says of an image, at its own size."""
        network_image = to_network(image, self._runner.spec.size)
        logits = infer(self._runner, {"image": network_image[None]})["logits"][0, 0]
        if not np.isfinite(logits).all():  # NaN > 0 is false: it would read as "no lesion"
            raise EngineError(
                "the engine gave logits that are not finite numbers",
                hint="run the FP32 artifact on another engine to find out which of both is broken",
            )
        quality = assess(network_image, logits, self._limits) if self._limits else None
        return Run(logits=logits, quality=quality)


def at_image_size(run: Run, height: int, width: int) -> Prediction:
    """What a network said, for an image of this size."""
    logits_hw = to_image_size(run.logits, height, width)
    return Prediction(logits_hw=logits_hw, mask=logits_hw > 0, quality=run.quality)
