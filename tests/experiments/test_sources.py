from __future__ import annotations

import pytest

from scunext_edge.experiments.sources import DECISIVE, ROOT, code_digest, digest_of

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


def test_all_modules_of_networks_and_of_a_step_are_decisive():
    assert len(code_digest()) == 16
    assert all((ROOT / name).is_file() for name in DECISIVE)
    assert {"models/scunext.py", "training/step.py", "training/losses.py"} <= set(DECISIVE)
