"""How a bundle's server is run by others: a Dockerfile and a unit of systemd, for its device."""

from __future__ import annotations

from pathlib import Path

from scunext_edge.deploy.targets import Target
from scunext_edge.storage import write_text

DOCKER = "docker"
SYSTEMD = "systemd"
_TEMPLATES = Path(__file__).with_name("service")
_INSTALL = "python:{python}-slim-bookworm"

# JetPack 6: CUDA 12.6, cuDNN 9.3, TensorRT 10.3 with its Python, for Python 3.10 (Ubuntu 22.04).
_JETPACK = "nvcr.io/nvidia/l4t-jetpack:r36.4.0@sha256:"
_JETPACK += "34ccf0f3b63c6da9eee45f2e79de9bf7fdf3beda9abfd72bbf285ae9d40bb673"


def write_serving(folder: Path, target: Target, *, python: str, online: bool) -> None:
    """Write ``docker/`` and ``systemd/``."""
    install = _INSTALL.format(python=python)
    on_gpu = "tensorrt" in target.backends
    words = {
        "@INSTALL@": install,
        "@BASE@": _JETPACK if on_gpu else install,
        "@PYTHON@": python,
        "@INDEX@": "" if online else "--no-index ",
        "@GPU@": _GPU_OPTIONS if on_gpu else "",
        "@DEVICES@": _GPU_DEVICES if on_gpu else _NO_DEVICES,
    }
    for place, name in (
        (DOCKER, "Dockerfile"),
        (DOCKER, "entrypoint.sh"),
        (SYSTEMD, "scunext.service"),
    ):
        text = (_TEMPLATES / name).read_text(encoding="utf-8")
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        (folder / place).mkdir(exist_ok=True)
        write_text(folder / place / name, text)
    (folder / DOCKER / "entrypoint.sh").chmod(0o755)


_NO_DEVICES = """\
MemoryMax=1G
TimeoutStartSec=10min
PrivateDevices=yes
PrivateUsers=yes
MemoryDenyWriteExecute=yes"""

_GPU_OPTIONS = "--runtime nvidia --group-add $(stat -c %g /dev/dri/renderD128) --group-add video "

# CUDA opens devices that differ by module, and writes code at run time. An engine that is built
# takes memory and time: deploy/start.py allows it an hour.
_GPU_DEVICES = """\
MemoryMax=6G
TimeoutStartSec=90min
SupplementaryGroups=video render"""
