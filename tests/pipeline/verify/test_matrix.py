"""A table of verifications, from records that are made once."""

from __future__ import annotations

import pytest

from scunext_edge.pipeline.verify import matrix
from scunext_edge.pipeline.verify.verify import Verification
from scunext_edge.report.numbers import MINUS

PAIR = {"reference": 0.5, "candidate": 0.4}
INTERVAL = {"mean": 0.1, "low": 0.0, "high": 0.2}


def content_of(settings):
    card, loss = settings.candidate.artifact.card, {"drop": INTERVAL, "upper": -0.004}
    outline = {"tolerance": 2, "hd95": PAIR, "hd95_rise": INTERVAL, "nsd_drop": INTERVAL}
    return {
        "verdict": "passed",
        "candidate": {
            "artifact_id": settings.candidate.artifact.id,
            "model": card.model,
            "backend": settings.candidate.backend,
            "precision": card.precision,
            "quantizer": card.quantizer,
        },
        "reference": {"backend": settings.reference.backend},
        "dataset": {"name": "made up", "images": 7, "part": "test"},
        "criteria": {"margin": 0.005, "confidence": 0.95, "floor": 0.8},
        "acceptance": {
            "loss": loss,
            "worst_drops": 0.3,
            "fallen": ["a"],
            "risen": 2,
            "newly_missed": [],
            "outline": outline if card.precision == "int8" else None,
        },
        "census": {"shares": {"int8": 0.96, "fp32": 0.04}} if card.precision == "int8" else None,
    }


@pytest.fixture
def calls(monkeypatch):
    asked = []

    def verified(settings):
        asked.append(settings)
        content = content_of(settings)
        return Verification(content=content, verdict="passed")

    monkeypatch.setattr(matrix, "verify", verified)
    return asked


def test_every_engine_and_precision_has_a_line(calls, tmp_path, capsys):
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--model", "unext"]
    assert matrix.main(arguments) == 0
    assert len(calls) == 6
    text = capsys.readouterr().out
    assert text == (tmp_path / "out" / "matrix.md").read_text()
    (line,) = (it for it in text.splitlines() if "native" in it and "INT8 96%" in it)
    assert "- [unext INT8 qdq on native](unext-native-int8/verify.md)" in text
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        *("unext", "native", "INT8", "INT8 96%, FP32 4%", "0.1000", f"{MINUS}0.0040", "0.3000"),
        *("1, 2", "0", "0.400", "0.1000", "0.1000", "passed"),
    ]


def test_an_error_has_its_exit_code(tmp_path, capsys):
    missing = str(tmp_path / "nowhere")
    assert matrix.main(["--data", missing, "--out", str(tmp_path), "--model", "unext"]) == 2
    assert "nowhere" in capsys.readouterr().err
