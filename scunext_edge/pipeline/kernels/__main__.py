"""``python -m scunext_edge.pipeline.kernels --out FILE.json``: measure, write, print.

Run it on a quiet machine. The tables go to stdout and, as Markdown, beside the record.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scunext_edge.errors import ScunextEdgeError
from scunext_edge.pipeline.kernels.record import KIND, SCHEMA, measure
from scunext_edge.pipeline.kernels.settings import QUICK, Settings
from scunext_edge.pipeline.kernels.table import to_markdown
from scunext_edge.progress import progress_bar
from scunext_edge.storage import read_record, write_json, write_text


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the record and its tables; 0, or the exit code of an error."""
    asked = _parser().parse_args(arguments)
    settings = QUICK if asked.quick else Settings()
    settings = replace(
        settings,
        models=tuple(asked.model or settings.models),
        sizes=tuple(asked.size or settings.sizes),
        threads=tuple(asked.threads or settings.threads),
        rounds=asked.rounds or settings.rounds,
        isa=asked.isa,
        seed=asked.seed,
    )
    try:
        before = read_record(asked.out, kind=KIND, schema=SCHEMA) if asked.out.exists() else None
        with progress_bar() as advance:
            record = measure(settings, advance=advance, before=before)
    except ScunextEdgeError as error:
        sys.stderr.write(f"{error}\n{error.hint or ''}\n")
        return error.exit_code
    text = to_markdown(record)
    write_json(asked.out, record)
    write_text(asked.out.with_suffix(".md"), text)
    sys.stdout.write(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scunext_edge.pipeline.kernels", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON; the tables go beside it")
    parser.add_argument("--quick", action="store_true", help="that it works, not how fast")
    parser.add_argument("--isa", help="force an instruction set; OpenVINO is held to it, too")
    parser.add_argument("--model", action="append", help="repeatable; default unext and scunext")
    parser.add_argument("--size", type=int, action="append", help="repeatable; default 256, 512")
    parser.add_argument("--threads", type=int, action="append", help="repeatable; default 1, 2")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=0, help="of the order within rounds")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
