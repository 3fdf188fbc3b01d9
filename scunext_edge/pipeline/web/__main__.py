"""``python -m scunext_edge.pipeline.web --ort FOLDER --out FILE.json``, `make bench-web`.

Run it on a quiet machine. The tables go to stdout and, as Markdown, beside the record.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scunext_edge.errors import ScunextEdgeError
from scunext_edge.pipeline.web.record import measure
from scunext_edge.pipeline.web.settings import QUICK, Settings
from scunext_edge.pipeline.web.table import to_markdown
from scunext_edge.progress import progress_bar
from scunext_edge.storage import write_json, write_text


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the record and its tables; 1 where a limit is not kept, or an error's code."""
    parser = argparse.ArgumentParser(prog="scunext_edge.pipeline.web", description=__doc__)
    parser.add_argument("--ort", type=Path, required=True, help="the npm package onnxruntime-web")
    parser.add_argument("--out", type=Path, required=True, help="JSON; the tables go beside it")
    parser.add_argument("--quick", action="store_true", help="that it works, not how fast")
    asked = parser.parse_args(arguments)
    try:
        with progress_bar() as advance:
            record = measure(QUICK if asked.quick else Settings(), asked.ort, advance=advance)
        text = to_markdown(record)
        write_json(asked.out, record)
        write_text(asked.out.with_suffix(".md"), text)
    except ScunextEdgeError as error:
        sys.stderr.write(f"{error}\n{error.hint or ''}\n")
        return error.exit_code
    sys.stdout.write(text)
    return 0 if all(check["met"] for check in record["checks"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
