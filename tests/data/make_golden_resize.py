"""Write golden_resize.json: made-up inputs and what Pillow makes of them (docs/resize.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

# name: input height, width, channels (0: float), output height, width
CASES = {
    "one pixel grows": (1, 1, 3, 4, 3),
    "grow": (2, 3, 3, 5, 7),
    "shrink": (7, 5, 3, 3, 2),
    "shrink to one pixel": (5, 8, 3, 1, 1),
    "width only": (4, 6, 3, 4, 9),
    "height only": (9, 4, 3, 4, 4),
    "same size": (3, 5, 3, 3, 5),
    "shrink and grow": (13, 4, 3, 5, 11),
    "by a third": (12, 18, 3, 8, 12),
    "strong shrink": (40, 30, 3, 4, 4),
}


def main() -> None:
    random = np.random.default_rng(2024)
    content = {"schema": 1, "uint8": [], "float32": []}
    for name, (h, w, c, height, width) in CASES.items():
        image = random.integers(0, 256, (h, w, c), dtype=np.uint8)
        image[random.random((h, w)) < 0.3] = random.choice([0, 255])
        logits = (random.standard_normal((h, w)) * 6).astype(np.float32)
        for kind, array in (("uint8", image), ("float32", logits)):
            wide = Image.fromarray(array).resize((width, h), Image.Resampling.BILINEAR)
            resized = wide.resize((width, height), Image.Resampling.BILINEAR)
            entry = {"name": name, "height": height, "width": width}
            entry |= {"input": array.tolist(), "output": np.asarray(resized).tolist()}
            content[kind].append(entry)
    text = json.dumps(content, separators=(",", ":")).replace('{"name"', '\n{"name"')
    Path(__file__).with_name("golden_resize.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
