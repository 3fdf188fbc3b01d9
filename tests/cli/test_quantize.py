"""`quantize` on the command line: what is asked for arrives, and the outcome is the exit code."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from scunext_edge import cli
from scunext_edge.errors import ConfigError
from scunext_edge.pipeline.quantize import quantize
from scunext_edge.pipeline.quantize.quantize import Outcome
from scunext_edge.pipeline.quantize.record import Search, Step
from scunext_edge.weights.shipped import shipped

ABOUT = {
    "model": "unext",
    "backend": "onnxruntime",
    "threads": 1,
    "images": 7,
    "data": "some",
    "part": "val",
    "method": "minmax",
    "weights": {"bits": 8, "per_channel": True},
    "ranked_on": 5,
}
STEP = Step(
    name="mixed-1",
    float_layers=("a",),
    dice=0.8,
    drop=0.001,
    upper=0.002,
    latency_ms=1.5,
    artifact="artifacts/mixed-1",
    artifact_id="0123",
)


@pytest.fixture
def asked(monkeypatch):
    seen = {}

    def quantized(settings, *, advance):
        seen["settings"] = settings
        search = Search(
            about=ABOUT, max_drop=settings.max_drop, costs={"a": 0.01}, steps=[STEP], best=STEP.name
        )
        search.outcome = "reached" if search.passed else "not reached"
        return Outcome(search=search, artifact=None)

    monkeypatch.setattr(quantize, "quantize", quantized)
    return seen


def call(*more):
    command = ["quantize", "unext", "--data", "data/some", "--out", "runs/some", *more]
    return CliRunner().invoke(cli.app, command)


def test_a_bound_that_is_kept_is_exit_code_0(asked):
    done = call("--max-drop", "0.002", "--time-budget", "2h", "-b", "openvino", "--images", "9")
    assert done.exit_code == 0
    assert "kept by mixed-1, 1 layers in float" in done.stdout
    settings = asked["settings"]
    assert (settings.max_drop, settings.budget_s, settings.images) == (0.002, 7200, 9)
    assert (settings.backend, settings.part, settings.parent.card.precision) == (
        *("openvino", "val"),
        "fp32",
    )


def test_a_bound_that_is_not_kept_is_exit_code_1(asked):
    done = call("--max-drop", "0.001", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["outcome"] == "not reached"


def test_a_budget_without_a_unit_is_an_error(asked):
    assert isinstance(call("--time-budget", "30").exception, ConfigError)


def test_a_hard_setting_and_tuning_arrive(asked):
    call("--weight-bits", "4", "--per-tensor", "--qat", "3")
    settings = asked["settings"]
    assert (settings.codes.bits, settings.codes.per_channel, settings.qat) == (4, False, 3)
    assert settings.checkpoint.id == settings.parent.card.parent


def test_without_them_nothing_is_tuned_and_weights_have_eight_bits_per_channel(asked):
    call()
    settings = asked["settings"]
    assert (settings.codes.bits, settings.codes.per_channel) == (8, True)
    assert (settings.qat, settings.checkpoint) == (None, None)


def test_a_checkpoint_alone_is_an_error(asked):
    checkpoint = shipped("unext", "checkpoint").directory
    assert isinstance(call("--checkpoint", str(checkpoint)).exception, ConfigError)
