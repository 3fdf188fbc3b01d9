"""Imports point downwards, and what must be light is: the picture in docs/design.md holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "scunext_edge"

# Lower layers first. A module imports from strictly below: never up, never sideways.
LAYERS = [
    {"errors"},
    {"spec", "storage", "progress", "provenance"},
    {"artifacts", "data", "isolate", "kernels", "metrics", "results"},
    {"quality"},
    {"models", "runtime", "weights"},
    {"training", "benchmarks", "evaluation", "web"},
    {"export", "report"},
    {"experiments", "pipeline"},
    {"deploy"},
    {"serve"},
    {"doctor"},
    {"tables"},
    {"cli_options"},
    {
        "cli_data",
        "cli_deploy",
        "cli_experiment",
        "cli_measure",
        "cli_predict",
        "cli_proof",
        "cli_serve",
    },
    {"cli"},
    {"__main__"},
]
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

# torch, the reference, rebuilds a network from its checkpoint; only the registry imports it.
EXCEPTIONS = {("runtime/backends/eager.py", "models")}

ENGINES = {
    "torch", "lightning_fabric", "safetensors", "onnx", "onnxruntime", "onnxscript", "openvino",
    "nncf", "tensorrt", "fvcore", "thop", "matplotlib", "jinja2", "pooch", "rich", "typer",
    "monai", "scipy", "pyarrow", "pynvml", "cryptography", "cyclonedx", "packageurl",
    "pydicom", "highdicom", "ray", "fastapi",
    "starlette", "uvicorn", "prometheus_client",
}  # fmt: skip
LIGHT = [
    "artifacts", "benchmarks.energy", "benchmarks.passport", "benchmarks.schedule",
    "benchmarks.stats", "benchmarks.worker", "data.check", "data.dicom", "data.fetch",
    "data.source", "data.synthetic", "deploy.__main__", "deploy.accepted", "deploy.make",
    "deploy.signing", "deploy.start", "deploy.verify", "doctor", "evaluation.acceptance",
    "evaluation.boundary", "evaluation.evaluate", "evaluation.examine_worker",
    "evaluation.operating_worker",
    "evaluation.worker", "experiments.run", "experiments.text", "experiments.worker",
    "export.export", "export.worker", "isolate", "metrics",
    "models.catalogue", "pipeline.bench", "pipeline.folders.run", "pipeline.folders.worker",
    "pipeline.operating.study", "pipeline.quality.study", "pipeline.quantize.quantize",
    "pipeline.verify.verify", "progress", "quality.assess", "report.write", "results",
    "runtime.predict_files", "runtime.registry", "serve.run", "serve.worker", "tables",
    "web.pack", "weights.shipped",
]  # fmt: skip

SOURCES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path):
    """Parts of the package that a file imports anywhere, inside functions too."""
    known = {part_of(source) for source in SOURCES}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            top, _, rest = module.partition(".")
            if top == "scunext_edge" and rest.split(".")[0] in known:
                yield rest.split(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_downwards(path):
    part = part_of(path)
    if part == "__init__":
        assert not list(imported_parts(path)), "importing the package must import nothing"
        return
    assert part in RANK, f"give {part} a layer, here and in docs/design.md"
    others = {other for other in imported_parts(path) if other != part}
    allowed = {other for name, other in EXCEPTIONS if name == name_of(path)}
    wrong = {other for other in others - allowed if RANK[other] >= RANK[part]}
    assert not wrong, f"{part} may not import {sorted(wrong)}"


def test_every_layer_and_every_exception_is_real():
    assert set(RANK) == {part_of(path) for path in SOURCES} - {"__init__"}
    for name, other in EXCEPTIONS:
        assert other in imported_parts(PACKAGE / name)


def test_the_document_draws_the_same_layers():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.split("## The layers", 1)[1].split("\n\n", 3)[2]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    drawn = [set(re.findall(r"`(\w+)`", row)) for row in rows]
    assert drawn == LAYERS[::-1]


def test_light_modules_load_no_engine():
    """In one process, in the order of the list: the first that loads one is named."""
    script = f"""
import sys
from importlib import import_module
for name in {LIGHT!r}:
    import_module(f"scunext_edge.{{name}}")
    print(name, *({ENGINES!r} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == LIGHT


def test_predict_needs_one_engine_and_no_torch(tmp_path):
    """As after `pip install scunext-edge[onnxruntime]`: nothing else can be imported."""
    pytest.importorskip("onnxruntime")
    from scunext_edge.weights import shipped

    if not shipped.names():
        pytest.skip("no network ships with this checkout")
    from PIL import Image

    Image.new("RGB", (40, 30), "pink").save(tmp_path / "a.png")
    absent = ENGINES - {"onnxruntime", "rich", "typer"}
    script = f"""
import sys
sys.modules.update(dict.fromkeys({absent!r}))
from scunext_edge import cli
sys.argv = ["scunext-edge", "predict", "a.png", "--out", "o", "--model", {shipped.names()[0]!r}]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0
    # One flat colour is no skin: what else would be said there is a traceback.
    assert done.stderr.startswith("a.png: do not use this mask")
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "o" / "a.mask.png").is_file()


def test_nothing_unpickles():
    """A weight file from a stranger must not run code."""
    wanted = re.compile(r"\b(torch\.load|pickle|joblib|dill|np\.load|allow_pickle=True)\b")
    found = [name_of(path) for path in SOURCES if wanted.search(path.read_text(encoding="utf-8"))]
    assert found == []
