"""Write the page: a folder that any web server can hold, or that is one HTML file."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scunext_edge import __version__
from scunext_edge.artifacts import Artifact
from scunext_edge.errors import ConfigError
from scunext_edge.quality.flags import FLAGS
from scunext_edge.quality.limits import Limits
from scunext_edge.storage import new_directory, sha256_of, write_text
from scunext_edge.web.build import ENGINE, MODULES, read_engine
from scunext_edge.web.golden import Golden
from scunext_edge.web.icons import icon_png
from scunext_edge.weights.shipped import limits_of

# 1: first form; 2: warning. Of the release that the page carries; main.js reads it.
SCHEMA = 2
PAGE = Path(__file__).parent / "page"
INDEX = "index.html"
_WORKER = "sw.js"
_NETWORK = "network.scx"
_ICONS = (192, 512)
_RELEASE = '<script id="release" type="application/json">{}</script>'
_FILES = "{/* name: sha256, by write_web */}"
_CACHE = "{release}"


def write_web(
    out: Path,
    *,
    artifact: Artifact,
    golden: Sequence[Golden],
    wasm: Path = ENGINE,
    card: Mapping[str, str] | None = None,
    warning: str | None = None,
    limits: Limits | None = None,
) -> Path:
    """Write the page for ``artifact`` into the folder ``out`` and return it.

    ``golden`` are the pictures that it tests itself with at every start; ``golden.draw_golden``
    makes some. ``wasm`` is a folder with the engine's modules and their record. ``card`` is what
    the page says about the model, title by title; by default what the artifact's own card knows.
    ``warning`` stands above everything, for as long as the page is open.
    ``limits`` say when a mask is not to be used; by default those that ship for this network.

    The same arguments give the same bytes. An artifact that is no INT8 file of the native engine is
    a ``ConfigError``: only INT8 gives the same mask in every browser, to the pixel.
    """
    if artifact.card.format != "native" or artifact.card.precision != "int8":
        raise ConfigError(
            f"the page takes native INT8, not {artifact.card.format} {artifact.card.precision}",
            hint="scunext-edge export ARTIFACT --to native -p int8",
        )
    if not golden:
        raise ConfigError("a page without golden pictures cannot test itself", hint="draw_golden")
    artifact.verify()
    engines = read_engine(wasm)
    with new_directory(out) as folder:
        for path in sorted(PAGE.iterdir()):
            if path.name != "package.json":  # that one tells Node what the .js files are
                shutil.copyfile(path, folder / path.name)
        for name in engines:
            shutil.copyfile(wasm / name, folder / name)
        shutil.copyfile(artifact.file(".scx"), folder / _NETWORK)
        for side in _ICONS:
            (folder / f"icon-{side}.png").write_bytes(icon_png(side))
        names = [f"golden-{number}.png" for number in range(1, len(golden) + 1)]
        for name, it in zip(names, golden, strict=True):
            (folder / name).write_bytes(it.png())
        release = {
            "schema": SCHEMA,
            "version": __version__,
            "model": _model(artifact),
            "engines": {isa: _file(folder / name) for isa, name in MODULES.items()},
            "network": _file(folder / _NETWORK),
            "golden": [
                {**_file(folder / name), "mask_sha256": it.mask_sha256()}
                for name, it in zip(names, golden, strict=True)
            ],
            "quality": _quality(limits_of(artifact) if limits is None else limits),
            "card": list((facts(artifact) if card is None else card).items()),
            "warning": warning,
        }
        _fill_in(folder, release)
    return out


def facts(artifact: Artifact) -> dict[str, str]:
    """What an artifact's card says that a user of the page should know, title by title."""
    card, known = artifact.card, artifact.card.details
    found = {
        "Network": f"{card.model}, {card.precision.upper()}, {card.spec.size} x {card.spec.size}",
        "Made by": f"scunext-edge {__version__}, artifact {artifact.id}",
        "Limits": "It knows pictures like those that it was trained and scored on. On others it "
        "draws an outline, too, which may mean nothing.",
    }
    if training := known.get("training", {}).get("data"):
        licence = known.get("licence_of_data")
        found["Trained on"] = f"{training['train']} images of {training['name']}" + (
            f" ({licence})" if licence else ""
        )
    for name, scores in known.get("evaluation", {}).items():
        found[f"Scores, {name}"] = (
            f"mean Dice {scores['dice']:.3f}, mean IoU {scores['iou']:.3f} over "
            f"{scores['images']} images"
        )
    return found


def _quality(limits: Limits | None) -> dict[str, Any] | None:
    """What quality.js needs: limits, domain, and the flags with their words."""
    if limits is None:
        return None
    return {
        "size": limits.size,
        "limits": dict(limits.limits),
        "domain": asdict(limits.domain),
        "rules": [asdict(rule) for rule in FLAGS],
    }


def _model(artifact: Artifact) -> dict[str, Any]:
    card = artifact.card
    return {
        "name": card.model,
        "id": artifact.id,
        "precision": card.precision,
        "size": card.spec.size,
    }


def _file(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": sha256_of(path)}


def _fill_in(folder: Path, release: Mapping[str, Any]) -> None:
    """The release into the page, then the digest of every file into the service worker."""
    content = json.dumps(release, ensure_ascii=False, indent=1).replace("<", "\\u003c")
    _replace(folder / INDEX, {_RELEASE: _RELEASE.replace("{}", content)})
    digests = {it.name: sha256_of(it) for it in sorted(folder.iterdir()) if it.name != _WORKER}
    listed = json.dumps(digests, indent=1)
    version = hashlib.sha256(listed.encode()).hexdigest()[:16]
    _replace(folder / _WORKER, {_FILES: listed, _CACHE: version})


def _replace(path: Path, wanted: Mapping[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in wanted.items():
        if text.count(old) != 1:
            raise AssertionError(f"{path.name} has {old!r} {text.count(old)} times, not once")
        text = text.replace(old, new)
    write_text(path, text)
