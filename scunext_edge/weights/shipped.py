"""The trained networks that ship in the package: a checkpoint, two ONNX and two native files."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from scunext_edge.artifacts import CARD, Artifact, load
from scunext_edge.errors import ConfigError
from scunext_edge.quality.limits import FILE, Limits, load_limits

Form = Literal["checkpoint", "onnx-fp32", "onnx-int8", "native-fp32", "native-int8"]
FORMS: tuple[Form, ...] = get_args(Form)
_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Networks with trained weights in this package."""
    return tuple(sorted(card.parent.parent.name for card in _HERE.glob(f"*/checkpoint/{CARD}")))


def shipped(model: str, form: Form) -> Artifact:
    """One form of a network in :func:`names`, checked against its card."""
    return load(_HERE / model / form)


def deployed(model: str, *, backend: str, precision: str) -> Artifact:
    """The shipped form of ``model`` that an engine loads, or the artifact at that path."""
    path = Path(model)
    if model not in names() and (path.exists() or len(path.parts) > 1):
        return load(path)
    if model not in names():
        raise ConfigError(
            f"no network called {model!r} ships with this package",
            hint=f"{_near(model, names())}choose one of: {', '.join(names())}, "
            "or give an artifact's folder",
        )
    forms: dict[tuple[str, str], Form] = {
        ("torch", "fp32"): "checkpoint",
        ("native", "fp32"): "native-fp32",
        ("native", "int8"): "native-int8",
        ("other", "fp32"): "onnx-fp32",
        ("other", "int8"): "onnx-int8",
    }
    engine = backend if backend in {"torch", "native"} else "other"
    form = forms.get((engine, precision))
    if form is None:
        raise ConfigError(
            f"{model} does not ship in {precision} for {backend}",
            hint=f"{_near(precision, ('fp32', 'int8'))}use fp32 or int8 on native, "
            "onnxruntime or openvino, or fp32 on torch",
        )
    return shipped(model, form)


def limits_of(artifact: Artifact, given: Path | None = None) -> Limits | None:
    """The limits of quality in the file that is given, or that ship for this network.

    Forms of one network share them. Given ones that are another network's: ``ConfigError``.
    """
    if given is not None:
        limits = load_limits(given)
        if limits.fit(artifact):
            return limits
        raise ConfigError(
            f"{given} is about {limits.model} of checkpoint {limits.checkpoint} at {limits.size} "
            f"pixels, and not about {artifact.directory}",
            hint="set limits for this network: python -m scunext_edge.pipeline.quality",
        )
    known = (load_limits(path) for path in sorted(_HERE.glob(f"*/{FILE}")))
    return next((limits for limits in known if limits.fit(artifact)), None)


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"did you mean {near[0]!r}? " if near and near[0] != name else ""
