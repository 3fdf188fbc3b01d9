"""A child of ``local``: pictures come on stdin, a row each goes back, as lines of JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, Any

from scunext_edge.errors import ScunextEdgeError
from scunext_edge.pipeline.folders.job import Input, Job
from scunext_edge.pipeline.folders.station import Station


def main() -> None:
    """Work until stdin ends. An error that concerns every picture is the last answer."""
    # What an engine prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.loads(sys.argv[1])
    try:
        with Station(Job.from_json(asked["job"]), asked["artifact_id"]) as station:
            _say(answers, {"ready": True})
            for line in sys.stdin:
                path, name = json.loads(line)
                _say(answers, {"row": station.row(Input(Path(path), name))})
    except ScunextEdgeError as error:
        told = {"kind": type(error).__name__, "message": str(error), "hint": error.hint}
        _say(answers, {"error": told})


def _say(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
