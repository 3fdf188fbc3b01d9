from __future__ import annotations

import pytest

from scunext_edge.experiments import sources
from scunext_edge.experiments.sources import ROOT, SHARED, code_digest, digest_of, is_same, kinds
from scunext_edge.models import catalogue

SOURCE = '''
def half(value: float) -> float:
    """The half."""
    return value / 2  # not a third
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The half.", "One of two."),
        ("  # not a third", ""),
        ("value: float", "value"),
        ('    """The half."""\n', ""),
    ],
)
def test_words_and_types_do_not_count(before, after):
    assert before in SOURCE
    assert digest_of([SOURCE.replace(before, after)]) == digest_of([SOURCE])


@pytest.mark.parametrize(("before", "after"), [("/ 2", "/ 3"), ("value / 2", "2 / value")])
def test_what_is_computed_does(before, after):
    assert digest_of([SOURCE.replace(before, after)]) != digest_of([SOURCE])


def test_every_network_of_ours_has_its_own_code_and_its_own_line(monkeypatch):
    assert len({code_digest(name) for name in catalogue.OURS}) == len(catalogue.OURS)
    files = {*sources._network("scunext")}
    assert {"models/scunext.py", "models/unext.py", "models/blocks.py"} <= files
    assert "models/unet.py" not in files
    assert sources._registered("unet-paper") == "partial(UNet, (48, 96, 176, 288, 464))"


def test_a_network_of_another_package_goes_by_what_is_shared():
    assert [*sources._network("theirs")] == []
    assert sources._registered("theirs") == ""
    assert all((ROOT / name).is_file() for name in SHARED)


def test_codes_that_were_shown_to_compute_the_same_count_as_one(monkeypatch):
    listed = {"same": [{"digests": ["a", "b"], "shown": "by hand"}]}
    monkeypatch.setattr(sources, "shipped_toml", lambda name: listed)
    assert is_same("a", "b")
    assert is_same("c", "c")
    assert not is_same("a", "c")
    assert kinds(["a", "b", "c", "a"]) == 2
