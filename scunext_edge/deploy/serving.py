"""How a bundle's server is run by others: a Dockerfile and a unit of systemd, for its device."""

from __future__ import annotations

from pathlib import Path

from scunext_edge.deploy.targets import Target
from scunext_edge.storage import write_text

FILES = ("docker/Dockerfile", "systemd/scunext.service")
_TEMPLATES = Path(__file__).with_name("service")
_PYTHON = "python:{}-slim-bookworm"

# JetPack 6: CUDA 12.6, cuDNN 9.3, TensorRT 10.3 with its Python, for Python 3.10 (Ubuntu 22.04).
_JETPACK = "nvcr.io/nvidia/l4t-jetpack:r36.4.0@sha256:"
_JETPACK += "34ccf0f3b63c6da9eee45f2e79de9bf7fdf3beda9abfd72bbf285ae9d40bb673"

_ON_CPU = {
    "@DOCKER@": "",
    "@START@": "60s",
    # two workers with 50 megapixels each, and their answers
    "@SYSTEMD@": "MemoryMax=3G\nTimeoutStartSec=10min\n"
    "PrivateDevices=yes\nPrivateUsers=yes\nMemoryDenyWriteExecute=yes",
}
# CUDA opens devices that differ by module, and writes code at run time. An engine that is built
# takes memory and time: deploy/start.py allows it an hour.
_ON_GPU = {
    "@DOCKER@": " --runtime nvidia \\\n"
    "#     --group-add video --group-add $(stat -c %g /dev/dri/renderD128)",
    "@START@": "90m",
    "@SYSTEMD@": "MemoryMax=6G\nTimeoutStartSec=90min\nSupplementaryGroups=video render",
}


def write_serving(folder: Path, target: Target, *, python: str, online: bool) -> None:
    """Write ``docker/`` and ``systemd/`` into a bundle for ``target`` and its ``python``."""
    has_gpu = "tensorrt" in target.backends
    words = {
        **(_ON_GPU if has_gpu else _ON_CPU),
        "@INSTALL@": _PYTHON.format(python),
        "@BASE@": _JETPACK if has_gpu else _PYTHON.format(python),
        "@PYTHON@": python,
        "@INDEX@": "" if online else "--no-index ",
    }
    for file in FILES:
        text = (_TEMPLATES / Path(file).name).read_text(encoding="utf-8")
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        (folder / file).parent.mkdir()
        write_text(folder / file, text)
