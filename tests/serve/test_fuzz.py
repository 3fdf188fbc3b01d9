"""Requests that schemathesis makes up from the OpenAPI document; `make serve-trial` makes many."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("schemathesis")
# A picture is bytes to the schema, and most bytes are none: those are refused, as they should be.
EXCLUDED = "positive_data_acceptance"


def test_nothing_that_schemathesis_makes_up_breaks_the_document_or_the_server(serve, tmp_path):
    program = shutil.which("st", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("there is no program st beside Python")
    with serve() as server:
        done = subprocess.run(
            [program, "run", f"{server.url}/openapi.json", "--max-examples", "5",
             "--phases", "fuzzing", "--seed", "1",
             "--checks", "all", "--exclude-checks", EXCLUDED, "--no-color"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )  # fmt: skip
        assert server.service.problem is None
    assert done.returncode == 0, done.stdout
    assert "Unresolvable" not in done.stdout
    assert "Traceback" not in server.log.text
