"""`verify` on the command line: what is asked for arrives, and the verdict is the exit code."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from scunext_edge import cli
from scunext_edge.errors import ConfigError
from scunext_edge.pipeline.verify import page, verify
from scunext_edge.pipeline.verify.verify import Verification

CALL = ["verify", "scunext", "--against", "unext", "--data", "data/some"]


@pytest.fixture
def asked(monkeypatch):
    """The settings that a call comes to; the verdict is in its first item."""
    seen = {"verdict": "passed"}

    def verified(settings, *, advance):
        seen["settings"] = settings
        return Verification(content={"verdict": seen["verdict"]}, verdict=seen["verdict"])

    monkeypatch.setattr(verify, "verify", verified)
    monkeypatch.setattr(page, "to_markdown", lambda content: f"# {content['verdict']}\n")
    return seen


def test_the_usual_call_is_int8_on_native_against_fp32(asked):
    done = CliRunner().invoke(cli.app, CALL)
    assert (done.exit_code, done.stdout) == (0, "# passed\n")
    settings = asked["settings"]
    assert settings.candidate.artifact.card.precision == "int8"
    assert settings.reference.artifact.card.precision == "fp32"
    assert {settings.candidate.backend, settings.reference.backend} == {"native"}
    assert (settings.criteria.margin, settings.tolerance, settings.part) == (0.005, 2.0, "test")


def test_criteria_and_engines_arrive(asked):
    more = ["--tier", "99.9", "--floor", "0.7", "--most-missed", "2", "--tolerance", "3"]
    more += ["-b", "onnxruntime", "--against-backend", "torch", "-p", "fp32", "--part", "val"]
    CliRunner().invoke(cli.app, [*CALL, *more])
    settings, criteria = asked["settings"], asked["settings"].criteria
    assert (criteria.tier, criteria.floor, criteria.most_missed) == ("99.9", 0.7, 2)
    assert (settings.candidate.backend, settings.reference.backend) == ("onnxruntime", "torch")
    assert (settings.tolerance, settings.part) == (3.0, "val")


@pytest.mark.parametrize("verdict", ["failed", "inconclusive"])
def test_anything_but_passed_is_exit_code_1(asked, verdict):
    asked["verdict"] = verdict
    done = CliRunner().invoke(cli.app, [*CALL, "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"verdict": verdict})


def test_criteria_that_mean_nothing_are_an_error(asked):
    done = CliRunner().invoke(cli.app, [*CALL, "--tier", "98"])
    assert isinstance(done.exception, ConfigError)
    assert "98" in str(done.exception)
