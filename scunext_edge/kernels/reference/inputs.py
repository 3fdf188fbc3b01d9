"""An operation with all that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.kernels.plan import Op, Tensor, TensorType
from scunext_edge.kernels.reference.arithmetic import Floats, Stored, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Inputs and weights by their place in the operation; those that must be there, asserted."""

    op: Op
    tensors: Sequence[Tensor | None]
    stored: Sequence[Stored | None]
    weights: Sequence[npt.NDArray[Any] | None]
    image: npt.NDArray[np.uint8] | None
    channels: int  # of the first output

    def has(self, index: int) -> bool:
        return self.tensors[index] is not None

    def is_q8(self, index: int = 0) -> bool:
        return self.tensor(index).type is TensorType.Q8

    def tensor(self, index: int) -> Tensor:
        tensor = self.tensors[index]
        assert tensor is not None, f"{self.op.kind.name} needs input {index}"
        return tensor

    def raw(self, index: int = 0) -> Stored:
        stored = self.stored[index]
        assert stored is not None, f"{self.op.kind.name} needs input {index}"
        return stored

    def value(self, index: int = 0) -> Floats:
        return value(self.tensor(index), self.raw(index))

    def blob(self, index: int) -> npt.NDArray[Any]:
        weights = self.weights[index]
        assert weights is not None, f"{self.op.kind.name} needs weights {index}"
        return weights
