"""Where a Q/DQ file quantizes, as tuning needs it: no torch, no ONNX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One convolution or product that reads quantized values.

    ``weight``: float32, before it was quantized and in the layout of torch's layers, with a
    BatchNorm behind it folded in. ``axis``: its output channels, where each has a scale of its
    own. ``top``: the largest code of a weight. ``input_scale``: of what the layer reads, whose
    codes go from -128 to 127.
    """

    node: str
    weight: npt.NDArray[np.float32]
    axis: int | None
    top: int
    input_scale: float
