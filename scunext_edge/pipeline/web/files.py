"""What a browser gets for a measurement: the page, the peer, the models; and their sizes."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from scunext_edge.data.synthetic import draw
from scunext_edge.errors import BackendMissing
from scunext_edge.pipeline.web.settings import CONTENDERS, Contender, Settings
from scunext_edge.storage import read_json
from scunext_edge.web.build import MODULES
from scunext_edge.web.golden import draw_golden
from scunext_edge.web.pack import write_web
from scunext_edge.web.single import write_single_file
from scunext_edge.weights.shipped import shipped

SIDE = 256
PAGE_MODEL = "scunext"
_ORT_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def ort_version(ort: Path) -> str:
    """Of the npm package in this folder; ``BackendMissing`` where there is none."""
    if not (ort / "package.json").is_file():
        raise BackendMissing(f"onnxruntime-web is not in {ort}", hint="make bench-web installs it")
    return str(read_json(ort / "package.json")["version"])


def prepare(folder: Path, settings: Settings, ort: Path) -> dict[str, Any]:
    """The folders that bench.js asks for; what the worker of the page has to be told."""
    artifact = shipped(PAGE_MODEL, "native-int8")
    write_web(folder / "page", artifact=artifact, golden=(golden := draw_golden(artifact)))
    write_single_file(folder / "page", folder / "page.html")
    shutil.copytree(Path(__file__).parent / "bench", folder / "bench")
    for name in ("models", "ort"):
        (folder / name).mkdir()
    for name in _ORT_FILES:
        shutil.copyfile(ort / "dist" / name, folder / "ort" / name)
    for model in settings.models:
        for it in CONTENDERS:
            file = shipped(model, it.form).file(".scx" if it.engine == "native" else ".onnx")
            shutil.copyfile(file, _model(folder, model, it))
    image = draw(0, 0, (SIDE, SIDE))[0]
    (folder / "image.rgb").write_bytes(image.tobytes())
    PillowImage.fromarray(image).save(folder / "photo.png")
    return {
        "engine": MODULES["wasm_relaxed"],
        "network": "network.scx",
        "golden": [
            {"file": f"golden-{number}.png", "mask_sha256": it.mask_sha256()}
            for number, it in enumerate(golden, start=1)
        ],
    }


def _model(folder: Path, model: str, it: Contender) -> Path:
    return folder / "models" / f"{model}-{it.engine}-{it.precision}"


def bytes_of(folder: Path, model: str, it: Contender) -> dict[str, int]:
    """What a page has to load for this engine and model, as it is and packed."""
    ort = [folder / "ort" / name for name in _ORT_FILES]
    native = [folder / "page" / name for name in ("scunext.js", MODULES.get(it.wasm or "", ""))]
    files = [_model(folder, model, it), *(native if it.engine == "native" else ort)]
    return {
        "bytes": sum(path.stat().st_size for path in files),
        "gzip_bytes": sum(map(_gzip_bytes, files)),
    }


def sizes_of(folder: Path) -> dict[str, Any]:
    """Of every file of the page, of all together, and of the page as one file."""
    files = sorted((folder / "page").iterdir())
    return {
        "folder_bytes": sum(path.stat().st_size for path in files),
        "folder_gzip_bytes": sum(map(_gzip_bytes, files)),
        "single_file_bytes": (folder / "page.html").stat().st_size,
        "single_file_gzip_bytes": _gzip_bytes(folder / "page.html"),
        "files": [
            {"name": it.name, "bytes": it.stat().st_size, "gzip_bytes": _gzip_bytes(it)}
            for it in files
        ],
    }


def _gzip_bytes(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 9))
