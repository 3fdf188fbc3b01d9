"""Each planted fault is caught by its own check, and a check that sleeps is found out."""

from __future__ import annotations

import pytest

from scunext_edge.pipeline.verify import faults, same_bytes
from scunext_edge.runtime import built_for

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.slow  # plants every fault for real: `make test-long`


def test_every_fault_is_caught_and_the_network_itself_passes(capsys):
    assert faults.main(["scunext"]) == 0
    table = capsys.readouterr().out
    assert table.count("| caught") == len(faults.FAULTS) + 1
    assert "the channels are read as BGR" in table
    assert "calibrated on 8 scored images" in table
    assert "the manifest is stale" in table


def test_a_check_that_sleeps_is_found_out(capsys, monkeypatch):
    monkeypatch.setattr(same_bytes, "normalisation_fault", lambda *arguments: None)
    two = [it for it in faults.FAULTS if it.caught_by in {"normalisation", "calibration"}]
    monkeypatch.setattr(faults, "FAULTS", two)
    assert faults.main(["unext"]) == 1
    assert capsys.readouterr().out.count("UNNOTICED") == 2


def test_a_foreign_engine_that_is_not_refused_is_found_out(capsys, monkeypatch):
    def without_looking(artifact, here):
        return artifact.file(built_for.ENGINE_SUFFIX).read_bytes()

    (one,) = (it for it in faults.FAULTS if it.name == "an engine of another device")
    monkeypatch.setattr(faults, "FAULTS", (one,))
    assert faults.main(["unext"]) == 0
    monkeypatch.setattr(faults, "engine_bytes", without_looking)
    assert faults.main(["unext"]) == 1
    assert "UNNOTICED" in capsys.readouterr().out


def test_a_false_alarm_is_found_out(capsys, monkeypatch):
    monkeypatch.setattr(same_bytes, "normalisation_fault", lambda *arguments: "wrong")
    monkeypatch.setattr(faults, "FAULTS", ())
    assert faults.main(["unext"]) == 1
    assert "failed without a fault: normalisation, normalisation" in capsys.readouterr().out
