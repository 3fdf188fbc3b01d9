from __future__ import annotations

import pytest

from scunext_edge.models import complexity, paper
from scunext_edge.models.catalogue import OURS


@pytest.fixture(scope="session")
def profiles():
    """Every network of ours at 256 x 256, profiled once for all tests."""
    pytest.importorskip("fvcore", reason="the extra 'profile' is not installed")
    pytest.importorskip("thop", reason="the extra 'profile' is not installed")
    return {name: complexity.profile(name) for name in OURS}


@pytest.fixture
def paper_rows(profiles, monkeypatch):
    monkeypatch.setattr(paper, "profile", lambda name, *, size: profiles[name])
    return paper.paper_table()
