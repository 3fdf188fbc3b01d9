"""The trained networks that ship in the package: a checkpoint and two ONNX files each."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from scunext_edge.artifacts import CARD, Artifact, load

Form = Literal["checkpoint", "onnx-fp32", "onnx-int8"]
FORMS: tuple[Form, ...] = get_args(Form)
_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Networks with trained weights in this package."""
    return tuple(sorted(card.parent.parent.name for card in _HERE.glob(f"*/checkpoint/{CARD}")))


def shipped(model: str, form: Form) -> Artifact:
    """One form of a network in :func:`names`, checked against its card."""
    return load(_HERE / model / form)
