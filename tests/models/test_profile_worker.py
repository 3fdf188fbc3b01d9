from __future__ import annotations

import pytest

from scunext_edge import isolate
from scunext_edge.errors import BackendMissing, ConfigError
from scunext_edge.models import profile_worker


def test_counts_come_back_from_a_fresh_process_with_the_papers_beside_them():
    pytest.importorskip("fvcore", reason="the extra 'profile' is not installed")
    pytest.importorskip("thop", reason="the extra 'profile' is not installed")
    job = {"model": "scunext", "size": 256, "options": {}}
    found = isolate.call(profile_worker.WORKER, job)
    assert found["params"] == 249_480
    assert found["paper"]["paper_params"] is not None


@pytest.mark.parametrize(
    ("size", "options"), [(64, {}), (256, {"skip": False, "fuse": True})], ids=["size", "variant"]
)
def test_the_paper_has_nothing_to_say_of_another_size_or_variant(size, options):
    pytest.importorskip("fvcore", reason="the extra 'profile' is not installed")
    pytest.importorskip("thop", reason="the extra 'profile' is not installed")
    found = profile_worker.work({"model": "scunext", "size": size, "options": options})
    assert found["paper"] == {}


def test_an_error_of_ours_crosses_the_process_as_itself():
    with pytest.raises(ConfigError, match="'unxt'"):
        isolate.call(profile_worker.WORKER, {"model": "unxt", "size": 64, "options": {}})


def test_without_torch_the_extra_to_install_is_named(monkeypatch):
    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda package: None)
    with pytest.raises(BackendMissing) as caught:
        profile_worker.work({"model": "unext", "size": 64, "options": {}})
    assert "scunext-edge[torch]" in caught.value.hint
