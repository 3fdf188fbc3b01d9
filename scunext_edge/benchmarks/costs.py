"""What each layer of an ONNX graph must compute and move, whatever engine runs it.

A layer is a product (convolution, matrix product) with all that follows it up to the next one:
an engine can do that in the same pass, so nothing in between has to reach memory. Bytes are the
ones that cannot be avoided then: what a layer reads of other layers, what of it others read, and
weights, each once. ``python -m scunext_edge.benchmarks.costs`` is the child's side; see
:func:`work`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from scunext_edge import isolate
from scunext_edge.errors import ArtifactError, require
from scunext_edge.runtime.precision import conv_macs, matmul_macs, transposed_conv_macs

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

WORKER = "scunext_edge.benchmarks.costs"
PRODUCTS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
_PURPOSE = "counting the work of each layer"
_SAME = ("Identity", "Dropout")
_FLOAT_BYTES = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "int8": 4}

Form = Literal["float", "int8"]  # how a tensor is stored; "float" is that of the row


class _Stored(NamedTuple):
    tensor: str
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer and its work for one image; bytes at the precision that it runs in."""

    name: str  # of its product's node; without a product, of its first node
    op: str
    precision: str  # of what is multiplied
    macs: int
    weight_bytes: int
    read_bytes: int  # activations
    written_bytes: int
    names: tuple[str, ...] = ()  # of all its nodes and the tensors that they make

    def bytes_of(self, images: int) -> int:
        """Moved for a batch: weights once, activations for every image."""
        return self.weight_bytes + images * (self.read_bytes + self.written_bytes)


class Graph(NamedTuple):
    """An ONNX file, and the precision that its arithmetic ran in."""

    path: Path
    precision: str


def count(graphs: Sequence[Graph]) -> list[tuple[Layer, ...] | None]:
    """:func:`layers_of` each, in one fresh process; null for a graph that cannot be counted."""
    job = {"graphs": [[str(it.path), it.precision] for it in graphs]}
    answer = isolate.call(WORKER, job)
    return [
        it and tuple(Layer(**{**row, "names": tuple(row["names"])}) for row in it) for it in answer
    ]


def work(job: dict[str, Any]) -> list[list[dict[str, Any]] | None]:
    """The layers of every one of ``graphs``, [path, precision]."""
    require("onnx", "onnx", needed_for=_PURPOSE)
    return [_counted(Path(path), precision) for path, precision in job["graphs"]]


def _counted(path: Path, precision: str) -> list[dict[str, Any]] | None:
    try:
        return [asdict(it) for it in layers_of(path.read_bytes(), precision=precision)]
    except (ArtifactError, OSError):
        return None


def layers_of(model: bytes, *, precision: str) -> tuple[Layer, ...]:
    """The layers of an ONNX file whose arithmetic ran in ``precision``, in graph order.

    "int8": what Q/DQ pairs wrap is int8, the rest float32; in a file without such pairs every
    product is taken for int8. Other precisions: Q/DQ pairs are ignored, as engines do that fold
    them. Needs onnx (``BackendMissing``); a graph whose shapes cannot be told is
    ``ArtifactError``.
    """
    require("onnx", "onnx", needed_for=_PURPOSE)
    if precision not in _FLOAT_BYTES:
        raise ArtifactError(f"the bytes of {precision} layers are not known")
    return _Reader(_with_shapes(model), precision).layers()


@dataclass(slots=True)
class _Group:
    order: int
    name: str
    op: str
    precision: str
    macs: int = 0
    weights: dict[str, int] = field(default_factory=dict)
    reads: dict[_Stored, None] = field(default_factory=dict)
    writes: dict[_Stored, None] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)


class _Reader:
    """One pass over the nodes, which ONNX lists in an order that they can run in."""

    def __init__(self, model: ModelProto, precision: str) -> None:
        graph = model.graph
        self.precision = precision
        self.nodes: Sequence[NodeProto] = graph.node
        self.outputs = [item.name for item in graph.output]
        self.shapes, self.item_bytes = _tensors(model, _FLOAT_BYTES[precision])
        self.stored: dict[str, _Stored] = {}  # a name behind Q/DQ or Identity -> what is stored
        self.constants: dict[str, tuple[str, ...]] = {it.name: () for it in graph.initializer}
        self.makers: dict[str, _Group] = {}
        self.groups: list[_Group] = []
        self.is_plain = not any(node.op_type == "QuantizeLinear" for node in self.nodes)

    def layers(self) -> tuple[Layer, ...]:
        for node in self.nodes:
            self._take(node)
        for group in self.groups:
            for stored in group.reads:
                if stored.tensor in self.makers:
                    self.makers[stored.tensor].writes[stored] = None
        for name in self.outputs:
            stored = _Stored(self._origin(name).tensor, "float")
            if stored.tensor in self.makers:
                self.makers[stored.tensor].writes[stored] = None
        return tuple(self._layer(group) for group in self.groups)

    def _take(self, node: NodeProto) -> None:
        names = [_name(node), *node.output]
        inputs = [name for name in node.input if name]
        if all(name in self.constants for name in inputs):
            behind = [it for name in inputs for it in self.constants[name]]
            self.constants |= dict.fromkeys(node.output, (*behind, *names))
            if node.op_type == "DequantizeLinear":
                self.stored[node.output[0]] = _Stored(inputs[0], "int8")
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear", *_SAME):
            origin = self._origin(inputs[0])
            form = origin.form if node.op_type in _SAME else "int8"
            self.stored[node.output[0]] = _Stored(origin.tensor, form)
            if origin.tensor in self.makers:
                self.makers[origin.tensor].names |= dict.fromkeys(names)
        else:
            self._compute(node, inputs, names)

    def _compute(self, node: NodeProto, inputs: list[str], names: list[str]) -> None:
        sources = [self._source(node, name) for name in inputs if name not in self.constants]
        group = self._group(node, sources)
        group.names |= dict.fromkeys(names)
        group.reads |= {it: None for it in sources if self.makers.get(it.tensor) is not group}
        for name in inputs:
            if name in self.constants:
                group.weights[name] = self._bytes(self._source(node, name))
                group.names |= dict.fromkeys(self.constants[name])
        self.makers |= dict.fromkeys(node.output, group)

    def _group(self, node: NodeProto, sources: Iterable[_Stored]) -> _Group:
        """A product begins a layer; all else belongs to the latest layer that it reads."""
        known = [self.makers[it.tensor] for it in sources if it.tensor in self.makers]
        if node.op_type not in PRODUCTS and known:
            return max(known, key=lambda group: group.order)
        group = _Group(len(self.groups), _name(node), node.op_type, self.precision)
        if node.op_type in PRODUCTS:
            group.macs = self._macs(node)
        if self.precision == "int8":
            first = self._source(node, node.input[0])
            group.precision = "int8" if first.form == "int8" else "fp32"
        self.groups.append(group)
        return group

    def _source(self, node: NodeProto, name: str) -> _Stored:
        """What is read of ``name``, in the form that it is read in."""
        if self.precision != "int8":
            # Weights that were int8 in the file are as large as floats once they are folded
            tensor = name if name in self.constants else self._origin(name).tensor
            return _Stored(tensor, "float")
        if self.is_plain and node.op_type in PRODUCTS and name in node.input[:2]:
            return _Stored(self._origin(name).tensor, "int8")
        return self._origin(name)

    def _origin(self, name: str) -> _Stored:
        return self.stored.get(name, _Stored(name, "float"))

    def _macs(self, node: NodeProto) -> int:
        data, weights = self._shape(node.input[0]), self._shape(node.input[1])
        output = self._shape(node.output[0])
        if node.op_type == "Conv":
            return conv_macs(weights, output)
        if node.op_type == "ConvTranspose":
            return transposed_conv_macs(weights, data)
        is_turned = any(it.name == "transA" and it.i for it in node.attribute)
        return matmul_macs(data[::-1] if is_turned else data, output)

    def _shape(self, name: str) -> tuple[int, ...]:
        shape = self.shapes.get(name)
        if shape is None:
            raise ArtifactError(
                f"the ONNX graph does not tell the shape of {name!r}",
                hint="the work of its layers cannot be counted; export it with fixed sides",
            )
        return shape

    def _bytes(self, stored: _Stored) -> int:
        elements = prod(self._shape(stored.tensor))
        return elements if stored.form == "int8" else elements * self.item_bytes[stored.tensor]

    def _layer(self, group: _Group) -> Layer:
        return Layer(
            name=group.name,
            op=group.op,
            precision=group.precision,
            macs=group.macs,
            weight_bytes=sum(group.weights.values()),
            read_bytes=sum(map(self._bytes, group.reads)),
            written_bytes=sum(map(self._bytes, group.writes)),
            names=tuple(group.names),
        )


def _with_shapes(model: bytes) -> ModelProto:
    """The graph for one image, with the shape of every tensor that can be told."""
    import onnx

    try:
        proto = onnx.load_from_string(model)
        for item in proto.graph.input:
            for dim in item.type.tensor_type.shape.dim:
                if not dim.dim_value:
                    dim.dim_value = 1
        inferred: ModelProto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except Exception as error:
        raise ArtifactError(f"the ONNX file cannot be read: {error}") from error
    return inferred


def _tensors(
    model: ModelProto, float_bytes: int
) -> tuple[Mapping[str, tuple[int, ...]], Mapping[str, int]]:
    """Shape and bytes per element by name; a float has as many as the row's precision says."""
    from onnx import TensorProto, helper

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    shapes: dict[str, tuple[int, ...]] = {}
    item_bytes: dict[str, int] = {}

    def note(name: str, shape: tuple[int, ...], kind: Any) -> None:
        shapes[name] = shape
        is_float = kind in floats
        item_bytes[name] = float_bytes if is_float else _item_bytes(helper, kind)

    graph = model.graph
    for item in (*graph.input, *graph.value_info, *graph.output):
        tensor = item.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            shape = tuple(dim.dim_value for dim in tensor.shape.dim)
            note(item.name, shape, tensor.elem_type)
    for constant in graph.initializer:
        note(constant.name, tuple(constant.dims), constant.data_type)
    return shapes, item_bytes


def _item_bytes(helper: Any, kind: int) -> int:
    return int(helper.tensor_dtype_to_np_dtype(kind).itemsize)


def _name(node: NodeProto) -> str:
    return str(node.name or node.output[0])


if __name__ == "__main__":
    isolate.serve(work)
