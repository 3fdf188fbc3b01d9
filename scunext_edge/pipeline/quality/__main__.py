"""``python -m scunext_edge.pipeline.quality``: set the limits of the networks that ship.

They are set on the train and val parts of one data set, and measured on the test part of another.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scunext_edge.errors import ScunextEdgeError
from scunext_edge.pipeline.quality.page import to_markdown
from scunext_edge.pipeline.quality.study import KIND, SCHEMA, Settings, study
from scunext_edge.progress import progress_bar
from scunext_edge.quality.limits import FILE, save_limits
from scunext_edge.storage import read_record, write_json, write_text
from scunext_edge.weights.shipped import names


def main(arguments: Sequence[str] | None = None) -> int:
    """Set, measure, write, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--set-on", type=Path, required=True, help="folder with train and val")
    parser.add_argument("--measure-on", type=Path, required=True, help="folder with a test part")
    parser.add_argument(
        "--other", type=Path, action="append", default=[], help="pictures of another kind"
    )
    parser.add_argument("--model", action="append", help="or an artifact; default: all that ship")
    parser.add_argument("--backend", default="native")
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--out", type=Path, required=True, help="records go there")
    parser.add_argument("--ship", type=Path, help="limits go to MODEL/quality.json in this folder")
    asked = parser.parse_args(arguments)
    settings = Settings(
        set_on=asked.set_on,
        measure_on=asked.measure_on,
        others=tuple(asked.other),
        backend=asked.backend,
        precision=asked.precision,
    )
    try:
        for model in asked.model or names():
            with progress_bar() as advance:
                limits, record = study(model, settings, advance)
            write_json(asked.out / f"{limits.model}.json", record)
            save_limits((asked.ship or asked.out / "limits") / limits.model / FILE, limits)
    except ScunextEdgeError as error:
        sys.stderr.write(f"{error}\n{error.hint or ''}\n")
        return error.exit_code
    found = sorted(asked.out.glob("*.json"))  # of earlier calls, too
    text = to_markdown([read_record(path, kind=KIND, schema=SCHEMA) for path in found])
    write_text(asked.out / "quality.md", text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
