"""``python -m scunext_edge.deploy``: what runs on the device. Needs neither torch nor typer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from scunext_edge.deploy.acceptance import Trial
from scunext_edge.errors import ScunextEdgeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, call one function, print; the exit code is 1 where something was refused."""
    asked = _parser().parse_args(arguments)
    try:
        code: int = asked.call(asked)
    except ScunextEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scunext_edge.deploy", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="check the bundle, try its forms, activate one")
    start.add_argument("bundle", type=Path, help="the folder")
    start.add_argument("--key", type=Path, required=True, help="public key of whom you trust")
    start.set_defaults(call=_start)
    segment = commands.add_parser("segment", help="a mask, an overlay and a line of JSON each")
    segment.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    segment.add_argument("--out", type=Path, required=True, help="folder to write to")
    segment.set_defaults(call=_segment)
    for command in (start, segment):
        command.add_argument("--state", type=Path, required=True, help="the device's own folder")
    return parser


def _start(asked: argparse.Namespace) -> int:
    from scunext_edge.deploy.signing import public_key
    from scunext_edge.deploy.start import start

    started = start(asked.bundle, asked.state, public_key(asked.key), told=_tell)
    for finding in started.findings:
        print(f"refused: {finding}")
    if started.acceptance is not None:
        name = started.acceptance.activated
        print(f"in use: {name}" if name else "refused: no form passed on this device")
    return started.exit_code


def _segment(asked: argparse.Namespace) -> int:
    from scunext_edge.deploy.accepted import Refusal, open_accepted
    from scunext_edge.quality.assess import warning_of
    from scunext_edge.runtime.predict_files import predict_files
    from scunext_edge.runtime.predictor import Predictor

    found = open_accepted(asked.state)
    if isinstance(found, Refusal):
        print(f"refused: {found.reason}", file=sys.stderr)
        print(f"hint:  {found.hint}", file=sys.stderr)
        return 1
    failed = 0
    for record in predict_files(asked.images, Predictor(found.runner, found.limits), asked.out):
        failed += record["status"] != "ok"
        print(json.dumps({**record, "form": found.rung.name}), flush=True)
        if warning := warning_of(record):
            print(warning, file=sys.stderr, flush=True)
    found.runner.close()
    return 1 if failed else 0


def _tell(trial: Trial) -> None:
    line = f"{trial.name}: {trial.outcome}"
    if trial.times_ms is not None:
        times = trial.times_ms
        line += f", {times['compute']:.3g} ms"
        line += f" (claimed {trial.claim_ms:.3g} elsewhere)" if trial.claim_ms else ""
        line += f", {times['end_to_end']:.3g} ms from bytes to mask"
    print(f"{line}: {trial.reason}" if trial.reason else line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
