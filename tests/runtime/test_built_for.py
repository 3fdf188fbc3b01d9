from __future__ import annotations

import pytest

from scunext_edge.errors import ArtifactError, BackendUnavailable
from scunext_edge.runtime.built_for import engine_bytes

HERE = {"gpu": "Orin", "compute_capability": "8.7", "tensorrt": "10.3.0"}


@pytest.fixture
def engine(tmp_path, make_artifact):
    def make(**built_for):
        folder = tmp_path / "engine"
        return make_artifact(
            folder, b"plan", name="model.engine", format="tensorrt", built_for=built_for
        )

    return make


def test_an_engine_for_what_is_here_gives_its_bytes(engine):
    assert engine_bytes(engine(**HERE), HERE) == b"plan"


@pytest.mark.parametrize("key", sorted(HERE))
def test_whatever_differs_is_named(engine, key):
    with pytest.raises(BackendUnavailable, match=f"{key} other \\(here: {HERE[key]}\\)"):
        engine_bytes(engine(**{**HERE, key: "other"}), HERE)


def test_an_engine_that_says_nothing_of_its_device_is_refused(engine):
    with pytest.raises(BackendUnavailable, match="gpu not stated"):
        engine_bytes(engine(), HERE)


def test_an_altered_engine_is_refused(engine):
    whole = engine(**HERE)
    (whole.directory / "model.engine").write_bytes(b"plot")
    with pytest.raises(ArtifactError, match="altered"):
        engine_bytes(whole, HERE)
