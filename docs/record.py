"""What the commands in README.md print: each is run, and its output stored for ``docs/fill.py``.

``python docs/record.py --isic2018 FOLDER`` runs all of them in an empty folder, in which
``data/isic2018`` is that data set and ``runs/scunext/best`` the checkpoint that ships, and writes
``docs/results/commands/NAME.txt``. Names behind the options run only these.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results" / "commands"
_DATA = "data/isic2018"
COMMANDS = {
    "evaluate": f"evaluate runs/scunext/best --data {_DATA} --backend torch",
    "export": f"export runs/scunext/best --to onnx -p int8 --data {_DATA} --out scunext-int8",
    "predict": f"predict {_DATA}/images/ISIC_0010476.jpg no-such.jpg --out masks",
    "profile": "profile scunext",
    "doctor": "doctor",
    "data-check": f"data check {_DATA}",
    "data-split": f"data split {_DATA} --out split.json",
}
# An outline has a thousand points: the first of them is enough to show the form.
_OUTLINE = re.compile(r'("contour": \[\[\[\d+, \d+\]), .*?\]\]\]')


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--isic2018", type=Path, required=True, help="folder of the data set")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(COMMANDS)}; default: all")
    asked = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as name:
        folder = Path(name)
        _link(folder / _DATA, asked.isic2018)
        checkpoint = ROOT / "scunext_edge" / "weights" / "scunext" / "checkpoint"
        _link(folder / "runs" / "scunext" / "best", checkpoint)
        for command in asked.names or COMMANDS:
            text = _run(COMMANDS[command], folder)
            (OUT / f"{command}.txt").write_text(text, encoding="utf-8")
            sys.stdout.write(f"{command}\n")


def _link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target.resolve(strict=True), target_is_directory=True)


def _run(command: str, folder: Path) -> str:
    """The command line and what it writes to stdout; 0 and 1 (a check said no) are its answers."""
    done = subprocess.run(
        [sys.executable, "-m", "scunext_edge", *shlex.split(command)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"scunext-edge {command}: exit code {done.returncode}\n{done.stderr}")
    said = _OUTLINE.sub(r"\1, ...]]", done.stdout).partition("\nthis machine")[0]
    lines = [line.rstrip() for line in said.rstrip().split("\n")]
    return "\n".join([f"$ scunext-edge {command}", *lines, ""])


if __name__ == "__main__":
    main()
