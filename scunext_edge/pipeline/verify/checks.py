"""One question with its answer: what a verification is a list of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

# noted: nothing fails, but a reader has to know
Outcome = Literal["passed", "failed", "inconclusive", "noted", "skipped"]


class Check(TypedDict):
    """As it stands in the record."""

    name: str
    verdict: Outcome
    message: str  # what was seen


def check(name: str, passed: bool | None, message: str) -> Check:
    """``passed`` None: it could not be asked."""
    verdict: Outcome = "skipped" if passed is None else "passed" if passed else "failed"
    return Check(name=name, verdict=verdict, message=message)


def worst(checks: Sequence[Check]) -> Outcome:
    """Of all: failed before inconclusive before passed."""
    verdicts = {it["verdict"] for it in checks}
    order: tuple[Outcome, ...] = ("failed", "inconclusive")
    return next((it for it in order if it in verdicts), "passed")
