from __future__ import annotations

import base64
import time

import pytest

from scunext_edge import isolate
from scunext_edge.benchmarks import cold
from scunext_edge.benchmarks.picture import photograph
from scunext_edge.errors import BackendUnavailable

PARTS = ("interpreter_ms", "import_ms", "load_ms", "first_run_ms")


@pytest.fixture
def job(artifact):
    return {
        "artifact": str(artifact.directory),
        "backend": "fake",
        "device": "cpu",
        "threads": 1,
        "cpus": [],
        "photograph": base64.b64encode(photograph(0)).decode("ascii"),
        "spawned_ns": time.monotonic_ns(),
    }


def test_the_parts_follow_each_other_without_a_gap():
    found = cold.parts((1_000_000, 3_000_000, 7_000_000, 15_000_000, 31_000_000))
    assert tuple(found) == (*PARTS, "total_ms")
    assert [found[name] for name in PARTS] == [2, 4, 8, 16]
    assert found["total_ms"] == 30


def test_a_process_tells_how_long_it_took_to_its_first_mask(job):
    asked = time.monotonic_ns()
    answer = isolate.call(
        "scunext_edge.benchmarks.cold", {**job, "spawned_ns": asked}, timeout_s=60
    )
    lasted_ms = (time.monotonic_ns() - asked) / 1e6
    found = answer["cold"]
    assert all(found[name] > 0 for name in PARTS)
    assert sum(found[name] for name in PARTS) == pytest.approx(found["total_ms"])
    assert found["total_ms"] <= lasted_ms  # one clock for both processes
    assert (answer["precision_ran"], bool(answer["backend_version"])) == (None, True)


def test_the_first_run_goes_from_the_bytes_of_a_file_to_a_mask(job, monkeypatch):
    seen = []
    real = cold.Predictor.predict

    def predict(self, image):
        found = real(self, image)
        seen.append((image.shape, found.mask.shape))
        return found

    monkeypatch.setattr(cold.Predictor, "predict", predict)
    cold.work(job)
    assert seen == [((768, 1024, 3), (768, 1024))]


def test_an_error_of_ours_is_raised_as_what_it_is(job):
    with pytest.raises(BackendUnavailable, match="tpu"):
        cold.work({**job, "device": "tpu"})


def test_nothing_that_a_prediction_does_not_need_is_imported():
    """Else the measurement's own imports would pass for the user's."""
    script = (
        "import sys, scunext_edge.benchmarks.cold\n"
        "print(*sorted(n for n in sys.modules if n.startswith('scunext_edge.benchmarks')))"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == [
        "scunext_edge.benchmarks",
        "scunext_edge.benchmarks.cold",
        "scunext_edge.benchmarks.pinning",
    ]
