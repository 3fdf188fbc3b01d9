"""What stands between a picture and its mask, for programs that are not this one."""

from __future__ import annotations

from typing import Any

from scunext_edge.data.images import FORMATS, MAX_PIXELS
from scunext_edge.spec import ModelSpec

_PASS = "scale = n_in / n_out; centre = (i + 0.5) * scale; support = max(scale, 1); triangle of "
_PASS += "half width support around centre, cut at the border, its weights divided by their sum"


def contract(spec: ModelSpec) -> dict[str, Any]:
    """The steps in order, as ``docs/resize.md`` specifies them."""
    (image,), (logits,) = spec.inputs, spec.outputs
    return {
        "schema": 1,
        "kind": "contract",
        "decode": {
            "formats": list(FORMATS),
            "max_pixels": MAX_PIXELS,
            "orientation": "upright, by EXIF",
            "channels": "RGB; gray is repeated, alpha is dropped",
            "depth": "8 bits; 16 become 8 by dividing by 257, rounded",
        },
        "resize": {
            "to": [spec.size, spec.size],
            "aspect_ratio": "not kept",
            "filter": "bilinear, antialiased when shrinking; half-pixel centres",
            "passes": "rows first, then columns, each rounded to uint8",
            "pass": _PASS,
            "arithmetic": "weights k = floor(w * 2^22 + 0.5); (2^21 + sum of in * k) >> 22",
        },
        "input": {"name": image.name, "dtype": image.dtype, "shape": list(image.shape)},
        "normalisation": {
            "where": "inside the model: feed it bytes",
            "formula": "(x / 255 - mean) / std",
            "mean": list(spec.mean),
            "std": list(spec.std),
        },
        "output": {"name": logits.name, "dtype": logits.dtype, "shape": list(logits.shape)},
        "score": "the native engine's 8 bits: score s stands for the logit (s - 127.5) / 16",
        "resize_back": {
            "to": "the picture's own height and width",
            "of": "logits, before the threshold",
            "passes": "rows first, then columns, each rounded to float32",
            "pass": _PASS,
            "arithmetic": "sums in float64",
        },
        "mask": {"rule": "logit > 0", "label": spec.labels[0]},
    }
