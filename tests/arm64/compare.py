"""Every CPU artifact that ships, on an emulated arm64 processor and here: are the masks the same?

``python tests/arm64/compare.py --python build/arm64/python --out docs/results/arm64.json``. What
counts is the outcome: an emulated processor says nothing about speed, and no time is taken.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from scunext_edge import provenance
from scunext_edge.data.preprocess import to_network
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.report.markdown import table
from scunext_edge.storage import write_json, write_text
from scunext_edge.weights.shipped import names, shipped

SCHEMA = 1
KIND = "arm64"
IMAGES = 2
ENGINES = {"onnxruntime": "onnx", "openvino": "onnx", "native": "native"}
PRECISIONS = ("fp32", "int8")
MOST_FLIPPED = {"fp32": 1e-4, "int8": 1e-2}  # INT8 rounds differently by engine and processor
WORKER = Path(__file__).with_name("worker.py")


def main(arguments=None):
    """Run, compare, write; 0 where every mask is what it is here."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="the arm64 one, of root.sh")
    parser.add_argument("--out", type=Path, required=True, help="JSON; a table goes beside it")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as folder:
        rows = compare([sys.executable], [str(asked.python)], Path(folder), names())
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "tool": provenance.tool(),
        "images": IMAGES,
        "rows": rows,
    }
    write_json(asked.out, record)
    write_text(asked.out.with_suffix(".md"), to_markdown(record))
    sys.stdout.write(to_markdown(record))
    return 0 if all(row["verdict"] == "same" for row in rows) else 1


def compare(here, there, folder, models):
    """One row for each network, engine and precision."""
    size = shipped(models[0], "checkpoint").spec.size
    lesions = SyntheticLesions(IMAGES, seed=1)
    images = np.stack([to_network(lesions[index].image_hwc, size) for index in range(IMAGES)])
    images.tofile(folder / "images")
    rows = []
    for model in models:
        for backend, form in ENGINES.items():
            for precision in PRECISIONS:
                artifact = shipped(model, f"{form}-{precision}")
                answers = [
                    answer(python, folder / str(side), artifact, backend, images, python is there)
                    for side, python in enumerate((here, there))
                ]
                rows.append(row_of(model, backend, precision, *answers))
    return rows


def answer(python, out, artifact, backend, images, is_arm):
    """What one processor makes of one artifact, in a process that may crash."""
    library = Path(python[0]).parent / "site" if is_arm else None
    job = {
        "images": [str(out.parent / "images"), images.shape],
        "library": str(library) if library else None,
        "artifact": str(artifact.directory),
        "backend": backend,
        "out": str(out),
    }
    (out.parent / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = [*python, str(WORKER), str(out.parent / "job.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return {"error": f"ended with {done.returncode}: {done.stderr.strip()[-200:]}"}
    found = json.loads(lines[-1])
    if "error" not in found:
        found["logits"] = np.fromfile(out, np.float32).reshape(len(images), *images.shape[1:3])
    return found


def row_of(model, backend, precision, one, other):
    """Compare the logits of here and there."""
    row = {"model": model, "backend": backend, "precision": precision}
    for name, side in (("here", one), ("arm64", other)):
        row[name] = {key: value for key, value in side.items() if key != "logits"}
    errors = [f"{name}: {row[name]['error']}" for name in ("here", "arm64") if "error" in row[name]]
    if errors:
        return {**row, "flipped": None, "apart": None, "verdict": "; ".join(errors)}
    flipped = float(((one["logits"] > 0) != (other["logits"] > 0)).mean())
    apart = float(np.abs(one["logits"] - other["logits"]).max())
    verdict = "same" if flipped <= MOST_FLIPPED[precision] else "DIFFERENT"
    return {**row, "flipped": flipped, "apart": apart, "verdict": verdict}


def to_markdown(record):
    """A line for each row."""
    lines = [
        "# On arm64",
        "",
        f"The CPU artifacts that ship, on {record['images']} drawn lesions: on an arm64 processor "
        "that QEMU emulates, against x86-64. It says whether they run there and in what; about "
        "speed it says nothing. Flipped: the share of pixels on another side of the threshold.",
        "",
        *table(
            (
                "network",
                "engine",
                "precision",
                "ran on arm64",
                "ran here",
                "flipped",
                "logits apart",
                "masks",
            ),
            [line_of(row) for row in record["rows"]],
        ),
    ]
    return "\n".join(lines) + "\n"


def line_of(row):
    """Cells of one row."""
    ran = [ran_in(row[side]) for side in ("arm64", "here")]
    numbers = [None if row[name] is None else f"{row[name]:.2g}" for name in ("flipped", "apart")]
    return [row["model"], row["backend"], row["precision"].upper(), *ran, *numbers, row["verdict"]]


def ran_in(side):
    """Shares of the MACs, and the instruction set of the native engine."""
    if not side.get("shares"):
        return None
    shares = ", ".join(f"{name.upper()} {share:.0%}" for name, share in side["shares"].items())
    return f"{shares} ({side['isa']})" if side["isa"] else shares


if __name__ == "__main__":
    raise SystemExit(main())
