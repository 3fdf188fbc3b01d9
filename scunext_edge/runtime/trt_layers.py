"""What a TensorRT engine multiplied in, read from the text of its inspector. Needs no TensorRT.

Two kinds of layers stand in that text. TensorRT's own (``CaskConvolution`` ...) tell the type of
their weights. Those of its compiler (``correlation``, ``gemm``, ``kgen`` ...) do not, and name
their inputs in no known order. Both name the ONNX nodes that went into them. TensorRT 11 splits
the field ``Format/Datatype``. The forms are those of published examples: where one of ours differs,
a layer is unknown, and not a guess.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scunext_edge.runtime.precision import Census, Work

UNKNOWN = "unknown"

_CONVERTING = {"Reformat", "Cast", "Quantize", "Dequantize"}
_ONLY_CONVERTS = re.compile(r"__myl_(?:Cast|Move)+_myl\d+_\d+")
_MULTIPLYING = re.compile(r"conv|correlation|gemm|matri", re.IGNORECASE)
_NODE = re.compile(r"\[ONNX Layer: ([^]]+)]")
_COMPILED = re.compile(r"_myl\d+_\d+$")
_FIELDS = ("DataType", "Datatype", "Format/Datatype", "Format")
_TYPE = re.compile(r"\b(int8|half|fp16|bfloat16|bf16|float|fp32|fp8)\b", re.IGNORECASE)
# Of a kernel, e.g. "i8i8_i8i32": in and out, then what is multiplied and what it is summed in.
_OPERAND = "i8|bf16|f16|tf32|f32|e4m3|e5m2"
_KERNEL = re.compile(
    rf"(?:{_OPERAND})(?:{_OPERAND})_({_OPERAND})(?:i32|f32|f16|bf16)(?![0-9A-Za-z])"
)
_NAMES = {
    **dict.fromkeys(("int8", "i8"), "int8"),
    **dict.fromkeys(("half", "fp16", "f16"), "fp16"),
    **dict.fromkeys(("bfloat16", "bf16"), "bf16"),
    **dict.fromkeys(("float", "fp32", "f32"), "fp32"),
    **dict.fromkeys(("fp8", "e4m3", "e5m2"), "fp8"),
    "tf32": "tf32",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    nodes: frozenset[str]  # names in the ONNX file
    precision: str | None
    multiplies: bool
    converts: bool  # and does nothing else


def read_layers(text: str, macs: Mapping[str, int]) -> Census | None:
    """The census of an engine, from its inspector's JSON.

    ``macs`` are those of one image by node of the ONNX file that the engine was built from. A node
    whose format is not told is of the precision :data:`UNKNOWN`. None where the text is no such
    JSON or names layers alone (an engine built without details), and where so much is unknown that
    the rest does not say what most MACs ran in.
    """
    layers = [_layer(it) for it in _objects(text)]
    work = tuple(
        Work(name=node, precision=_precision_of(node, layers) or UNKNOWN, macs=count)
        for node, count in macs.items()
    )
    totals: Counter[str] = Counter()
    for it in work:
        totals[it.precision] += it.macs
    unknown = totals.pop(UNKNOWN, 0)
    first, second = [*sorted(totals.values(), reverse=True), 0, 0][:2]
    if not first or first - second < unknown:
        return None
    return Census(work=work, conversions=sum(it.converts for it in layers))


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """The layers that are more than a name."""
    try:
        # Names of nodes are separated by a control character, in some versions unescaped
        content = json.loads(text, strict=False)
    except ValueError:
        return
    layers = content.get("Layers") if isinstance(content, dict) else None
    yield from (it for it in layers or () if isinstance(it, dict))


def _layer(found: Mapping[str, Any]) -> _Layer:
    kind, name = str(found.get("LayerType", "")), str(found.get("Name", ""))
    kernel = _KERNEL.search(str(found.get("TacticName", "")))
    nodes = _NODE.findall(str(found.get("Metadata", "")))
    return _Layer(
        nodes=frozenset(nodes or re.split(r"\s*\+\s*", _COMPILED.sub("", name))),
        precision=_NAMES[kernel[1]] if kernel else _by_types(found),
        multiplies=bool(kernel or _MULTIPLYING.search(kind)),
        converts=kind in _CONVERTING or bool(_ONLY_CONVERTS.fullmatch(name)),
    )


def _precision_of(node: str, layers: Iterable[_Layer]) -> str | None:
    """None unless all layers that may have multiplied for ``node`` say the same."""
    holders = [it for it in layers if node in it.nodes and not it.converts]
    found = {it.precision for it in [it for it in holders if it.multiplies] or holders}
    return found.pop() if len(found) == 1 else None


def _by_types(found: Mapping[str, Any]) -> str | None:
    """From the types of weights and inputs."""
    inputs = [_type_of(it, _FIELDS) for it in found.get("Inputs") or ()]
    weights = _type_of(found.get("Weights"), ("Type",))
    if weights is not None:
        data = inputs[0] if inputs else None
        # Weights that alone are INT8 are widened before they are multiplied
        return data if weights == "int8" and data is not None else weights
    kinds = Counter(it for it in inputs if it is not None)
    if len(kinds) > 1:  # data and weights in INT8, sums and skips in float
        return "int8" if kinds["int8"] > 1 else None
    return next(iter(kinds), None)


def _type_of(tensor: Any, fields: Iterable[str]) -> str | None:
    if not isinstance(tensor, dict):
        return None
    told = (_TYPE.search(str(tensor[it])) for it in fields if it in tensor)
    return next((_NAMES[it[1].lower()] for it in told if it), None)
