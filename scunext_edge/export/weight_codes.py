"""How weights become int8 codes, and the scales that they have then.

Fewer than eight bits stay in int8 tensors and use a part of their range: the file keeps its form,
and every engine reads it. It saves no bytes; it makes a harder setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scunext_edge.errors import ConfigError
from scunext_edge.export import graph

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightCodes:
    """Symmetric: codes from ``-top`` to ``top``, a scale per output channel or per tensor."""

    bits: int = 8
    per_channel: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise ConfigError(
                f"weights of {self.bits} bits", hint="use 2 to 8: they are stored as int8"
            )

    @property
    def top(self) -> int:
        """The largest code."""
        return int(2 ** (self.bits - 1) - 1)


FULL = WeightCodes()


def narrow(model: ModelProto, original: ModelProto, codes: WeightCodes) -> None:
    """Quantize the weights of a Q/DQ ``model`` anew, from the float ones in ``original``."""
    from onnx import numpy_helper

    floats = {tensor.name: tensor for tensor in original.graph.initializer}
    weights = {node.name: node.input[1] for node in original.graph.node if len(node.input) > 1}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = graph.producers(model.graph)
    for node in graph.quantized_nodes(model):
        pair = makers[node.input[1]]
        if pair.input[0] not in constants:
            continue  # a product of two activations
        stored = numpy_helper.to_array(constants[pair.input[1]])
        values = numpy_helper.to_array(floats[weights[node.name]])
        scale = scales(
            values, codes.top, axis=graph.channel_axis(pair) if stored.size > 1 else None
        )
        found = np.rint(values / scale).astype(np.int8)
        for slot, value in ((0, found), (1, scale.reshape(stored.shape))):
            where = pair.input[slot]
            constants[where].CopyFrom(numpy_helper.from_array(value, where))


def scales(
    weights: npt.NDArray[np.float32], top: int, *, axis: int | None
) -> npt.NDArray[np.float32]:
    """The largest magnitude has the code ``top``; shaped to divide ``weights``."""
    others = tuple(at for at in range(weights.ndim) if at != axis)
    largest = np.abs(weights).max(axis=None if axis is None else others, keepdims=True)
    found = np.where(largest > 0, largest / np.float32(top), np.float32(1))
    return np.asarray(found, np.float32)
