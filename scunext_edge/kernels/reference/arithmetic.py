"""The rules of arithmetic that every operation shares; ``docs/scx.md``, "Numbers".

Every function takes and gives float32 and rounds after each single operation. numpy's own ``sum``
and ``mean`` are not used: they add up in an order of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.kernels.plan import Act, Tensor, TensorType

Floats = npt.NDArray[np.float32]
Stored = npt.NDArray[Any]  # [H, W, C]: float32, int8 (q8) or int16 (q16)

F32 = np.float32
DTYPES: dict[TensorType, np.dtype[Any]] = {
    TensorType.F32: np.dtype(np.float32),
    TensorType.Q8: np.dtype(np.int8),
    TensorType.Q16: np.dtype(np.int16),
}
_RANGES = {TensorType.Q8: (-128, 127), TensorType.Q16: (-2047, 2047)}

_EXP = [F32(1) / F32(n) for n in (5040, 720, 120, 24, 6, 2, 1, 1)]
_ERF_ABOVE = [
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
]
_ERF_BELOW = [
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
]


def value(tensor: Tensor, stored: Stored) -> Floats:
    """The numbers that a tensor stands for."""
    if tensor.type is TensorType.F32:
        return stored
    values: Floats = stored.astype(F32) * F32(tensor.scale)
    return values


def store(tensor: Tensor, values: Floats) -> Stored:
    """Values as a tensor keeps them: rounded to nearest, ties to even; a NaN is the lowest."""
    assert values.dtype == F32, "something was computed in float64"
    if tensor.type is TensorType.F32:
        return values
    quotient = values * (F32(1) / F32(tensor.scale))
    return np.rint(clamp(quotient, *_RANGES[tensor.type])).astype(DTYPES[tensor.type])


def clamp(x: Floats, low: float, high: float) -> Floats:
    """min(max(x, low), high); a NaN is ``low``."""
    above = np.where(x > F32(low), x, F32(low))
    return np.where(above < F32(high), above, F32(high))


def fold(x: Floats, lanes: int) -> Floats:
    """Sum over the last axis: partial sums by index mod ``lanes``, folded in halves."""
    parts = np.zeros((*x.shape[:-1], lanes), F32)
    for start in range(0, x.shape[-1], lanes):
        block = x[..., start : start + lanes]
        parts[..., : block.shape[-1]] += block
    while lanes > 1:
        lanes //= 2
        parts = parts[..., :lanes] + parts[..., lanes:]
    return parts[..., 0]


def share(count: int) -> np.float32:
    """What the sum of ``count`` numbers is multiplied with to give their mean."""
    result: np.float32 = F32(1) / F32(count)
    return result


def activate(act: Act, x: Floats) -> Floats:
    """``act`` of every element."""
    if act is Act.RELU:
        return relu(x)
    if act is Act.GELU:
        return gelu(x)
    return sigmoid(x) if act is Act.SIGMOID else x


def relu(x: Floats) -> Floats:
    """max(x, 0); a NaN is 0."""
    return np.where(x > 0, x, F32(0))


def gelu(x: Floats) -> Floats:
    """x times the share of a normal distribution that lies below x."""
    result: Floats = (F32(0.5) * x) * (F32(1) + erf(x * F32(0.70710678)))
    return result


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    result: Floats = F32(1) / (F32(1) + exp(-x))
    return result


def exp(x: Floats) -> Floats:
    """e to the x, for x from -87 to 88."""
    x = clamp(x, -87, 88)
    n = np.rint(x * F32(1.44269504))
    r = (x - n * F32(0.693359375)) - n * F32(-2.12194440e-4)
    power: Floats = np.ldexp(F32(1), n.astype(np.int32))
    return _horner(_EXP, r) * power


def erf(t: Floats) -> Floats:
    """The error function as a quotient of two polynomials."""
    t = clamp(t, -4, 4)
    s = t * t
    result: Floats = (t * _horner(_ERF_ABOVE, s)) / _horner(_ERF_BELOW, s)
    return result


def score(logits: Floats) -> npt.NDArray[np.uint8]:
    """Logits in 256 steps of 1/16; 128 or more is lesion."""
    steps = np.floor(clamp(logits * F32(16), -128, 127)) + F32(128)
    result: npt.NDArray[np.uint8] = steps.astype(np.uint8)
    return result


def _horner(coefficients: list[Any], x: Floats) -> Floats:
    result = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        result = result * x + F32(coefficient)
    return result
