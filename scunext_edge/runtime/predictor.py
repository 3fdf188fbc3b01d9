"""From an image to its mask with a loaded model: what a user of the device gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scunext_edge.data.preprocess import to_image_size, to_network
from scunext_edge.errors import ConfigError, EngineError
from scunext_edge.quality.assess import Quality, assess
from scunext_edge.quality.limits import Limits
from scunext_edge.runtime.runner import Runner, infer
from scunext_edge.runtime.symmetries import Views, look
from scunext_edge.spec import Image, Mask

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was found in one image, at the image's own size."""

    logits_hw: Plane
    mask: Mask  # where the logit exceeds that of the threshold
    quality: Quality | None = None  # None: nobody has set limits for this network
    deviation_hw: Plane | None = None  # of the probability over eight views, where asked for

    @property
    def area_fraction(self) -> float:
        """The share of the image's pixels that are lesion."""
        return float(self.mask.mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a network said, at its own size, before it is resized."""

    logits: Plane
    quality: Quality | None
    views: Views | None = None


def logit_of(probability: float) -> float:
    """Where logits are cut for a threshold; 0.5 is 0. Outside of 0 to 1: ``ConfigError``."""
    if not 0 < probability < 1:
        raise ConfigError(
            f"a threshold of {probability:g}",
            hint="it is a probability between 0 and 1; 0.5 is the one that networks are trained "
            "for",
        )
    return math.log(probability / (1 - probability))


class Predictor:
    """Stretch to the network's size, infer, resize the logits back, threshold there."""

    def __init__(
        self,
        runner: Runner,
        limits: Limits | None = None,
        *,
        threshold: float = 0.5,
        views: bool = False,
    ) -> None:
        """With ``limits``, every prediction says whether it may be used.

        ``views`` asks the network about all eight symmetries of the square, takes the mean of the
        probability, and says how far they are apart; it costs eight times as much. Quality is
        judged as without it: by the picture as it is, at the contract's cut.
        """
        self._runner, self._limits = runner, limits
        self._cut, self._views = logit_of(threshold), views

    def predict(self, image: Image) -> Prediction:
        """Segment uint8 [H, W, 3] RGB of any size. Logits that are no numbers: ``EngineError``."""
        return at_image_size(self.run(image), *image.shape[:2], cut=self._cut)

    def run(self, image: Image) -> Run:
        """What the network says of an image, at its own size."""
        network_image = to_network(image, self._runner.spec.size)
        logits = self._infer(network_image)
        quality = assess(network_image, logits, self._limits) if self._limits else None
        if not self._views:
            return Run(logits=logits, quality=quality)
        views = look(network_image, self._infer, logits)
        return Run(logits=views.logits, quality=quality, views=views)

    def _infer(self, network_image: Image) -> Plane:
        logits: Plane = infer(self._runner, {"image": network_image[None]})["logits"][0, 0]
        if not np.isfinite(logits).all():  # NaN > 0 is false: it would read as "no lesion"
            raise EngineError(
                "the engine gave logits that are not finite numbers",
                hint="run the FP32 artifact on another engine to find out which of both is broken",
            )
        return logits


def at_image_size(run: Run, height: int, width: int, *, cut: float = 0.0) -> Prediction:
    """What a network said, for an image of this size; lesion is where a logit exceeds ``cut``."""
    logits_hw = to_image_size(run.logits, height, width)
    views = run.views
    return Prediction(
        logits_hw=logits_hw,
        mask=logits_hw > np.float32(cut),
        quality=run.quality,
        deviation_hw=to_image_size(views.deviation, height, width) if views else None,
    )
