"""What of a graph has been converted so far, and with which axes ONNX sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from scunext_edge.kernels.compile.graph import Array, Graph, Node, refuse
from scunext_edge.kernels.compile.network import Step, StepKind
from scunext_edge.kernels.compile.shifts import Window


@dataclass(frozen=True, slots=True)
class Seen:
    """A tensor of the graph: the step that makes it, and which axes ONNX sees, such as "NCHW"."""

    step: Step
    axes: str


Value = Seen | Window


class Reader:
    """What has been converted so far."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        image = Step(kind="image", name="image", inputs=[], channels=3, down_h=0, down_w=0)
        self.values: dict[str, Value] = {graph.image: Seen(image, "NHWC")}

    def seen(self, node: Node, index: int = 0) -> Seen:
        """Input ``index`` of ``node``, a tensor."""
        value = self.values.get(node.inputs[index]) if index < len(node.inputs) else None
        if not isinstance(value, Seen):
            self._refuse_input(node, index, value)
        return value

    def step(self, node: Node, index: int = 0) -> Step:
        """The step behind input ``index``."""
        return self.seen(node, index).step

    def constant(self, node: Node, index: int) -> Array | None:
        """The values of input ``index`` if it is constant."""
        if index >= len(node.inputs) or node.inputs[index] not in self.graph.constants:
            return None
        return self.graph.constants[node.inputs[index]].values

    def fixed(self, node: Node, index: int) -> Array:
        """The values of input ``index``, which must be constant."""
        values = self.constant(node, index)
        if values is None:
            refuse(node, f"its input {index} must be constant")
        return values

    def _refuse_input(self, node: Node, index: int, value: Value | None) -> NoReturn:
        if isinstance(value, Window):
            refuse(node, "Pad and Slice are taken as parts of a token shift only")
        refuse(node, f"its input {index} must be a feature map")


def like(kind: StepKind, node: Node, x: Step, *others: Step, mode: int = 0) -> Step:
    """A step whose result has the size and channels of ``x``."""
    return Step(
        kind=kind,
        name=node.name,
        inputs=[x, *others],
        channels=x.channels,
        down_h=x.down_h,
        down_w=x.down_w,
        mode=mode,
    )
